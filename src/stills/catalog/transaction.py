"""A transaction that is synced to disk, or not."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection, *, synced: bool = True) -> Iterator[None]:
    """Hold the write lock; commit at the end, roll back on any exception.

    If `synced`, the commit survives a power cut. Otherwise it does so once a later one is synced.
    """
    connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back on a full or broken disk
            connection.execute("ROLLBACK")
        raise
