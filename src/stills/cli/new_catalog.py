"""Announce the catalog that a command creates, because its folder may be the wrong one."""

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stills.cli.text import printable
from stills.config import read_config

_LOG = logging.getLogger("stills.catalog.schema")


class _Announcement(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines = [record.getMessage()]
        lines += [f"{one.path} is not used: {one.reason}" for one in read_config().project.unused]
        for line in lines:
            print(f"stills: {printable(line)}", file=sys.stderr, flush=True)


@contextmanager
def announcing_new_catalog(options: argparse.Namespace) -> Iterator[None]:
    """Print the path of a catalog that is created while the body runs, to standard error.

    Nothing is printed if the options ask for JSON, because programs may read both streams.
    """
    given = vars(options)
    if given.get("json") or given.get("events") or given.get("log_format") == "json":
        yield
        return
    announcement = _Announcement()
    level, propagates = _LOG.level, _LOG.propagate
    _LOG.addHandler(announcement)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False  # a command's own log would repeat it
    try:
        yield
    finally:
        _LOG.removeHandler(announcement)
        _LOG.setLevel(level)
        _LOG.propagate = propagates
