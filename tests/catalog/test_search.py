"""Searches run beside everything else."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from stills.catalog.database import SqliteDatabase
from stills.contract.errors import CatalogError


async def test_nothing_waits_for_a_search(made: Path):
    """A heartbeat or a look-up is answered while a slow search runs."""
    database, gate = SqliteDatabase(made), threading.Event()
    searching = asyncio.create_task(database.search(lambda _: gate.wait(60)))
    await database.write(lambda _: None)
    assert await database.read(lambda _: "read") == "read"
    assert not searching.done()
    gate.set()
    assert await searching
    await database.close()


async def test_closing_interrupts_a_search(made: Path):
    """Its caller gets an error."""
    database, running = SqliteDatabase(made), threading.Event()

    def count_for_ever(connection: sqlite3.Connection) -> object:
        running.set()
        return connection.execute(
            "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) "
            "SELECT max(i) FROM n"
        ).fetchone()

    await database.search(lambda _: None)
    searching = asyncio.create_task(database.search(count_for_ever))
    await asyncio.to_thread(running.wait, 60)
    await asyncio.sleep(0.1)  # until SQLite runs it
    await database.close()
    with pytest.raises(CatalogError, match="interrupted"):
        await searching
