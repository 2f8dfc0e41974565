"""The lines on standard error that say how far a run is, and not what became of it."""

import re
from typing import TextIO

PROGRESS_LINE = re.compile(r"^(?:\d+ stored, )?[a-z][a-z, ]*: \d+ s\n", re.MULTILINE)
NEW_CATALOG_LINE = re.compile(r"^stills: created the catalog .*\n", re.MULTILINE)


def without_progress(stderr: str) -> str:
    """Return only the messages: which lines come between them depends on machine and folder."""
    return NEW_CATALOG_LINE.sub("", PROGRESS_LINE.sub("", stderr))


def read_message(stderr: TextIO) -> str:
    """Read the next message of a process that runs."""
    while (line := stderr.readline()) and not without_progress(line):
        pass
    return line
