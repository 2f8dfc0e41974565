"""The engine's own parts; tests/conformance/test_jobs.py runs it."""

import sqlite3
import time
from contextlib import closing

from stills.jobs.engine import SqliteConnection


def test_dbos_finds_the_function_that_it_calls_in_any_sqlite():
    """Without it, no worker starts on Python 3.12 and newer with the SQLite of Debian 12."""
    with closing(sqlite3.connect(":memory:", factory=SqliteConnection)) as connection:
        (seconds,) = connection.execute("SELECT unixepoch('subsec')").fetchone()
    assert abs(seconds - time.time()) < 3600
