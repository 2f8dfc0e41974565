"""One transaction: all or nothing, synced to the disk or not."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection, *, synced: bool = True) -> Iterator[None]:
    """Hold the write lock; commit at the end, roll back on any exception.

    `synced`, the commit survives a power cut; without, it does so with the next one that is.
    """
    connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # on a full or broken disk SQLite rolls back by itself
            connection.execute("ROLLBACK")
        raise
