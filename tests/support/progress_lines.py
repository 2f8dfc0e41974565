"""The progress lines that a slow run prints on standard error between its messages."""

import re

PROGRESS_LINE = re.compile(r"^[a-z][a-z, ]*: \d+ s\n", re.MULTILINE)


def without_progress(stderr: str) -> str:
    """Return only the messages: how many lines come between them depends on the machine."""
    return PROGRESS_LINE.sub("", stderr)
