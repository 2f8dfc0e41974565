"""Transactions: waiting writes share one, and a failing write fails no other."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from stills.catalog import schema
from stills.catalog.database import SqliteDatabase
from stills.catalog.transaction import transaction
from stills.contract.errors import BudgetExceeded, CatalogError


def insert_an_orphan(connection: sqlite3.Connection) -> None:
    # A deferred constraint fails at the commit, as a full disk does.
    connection.execute("PRAGMA defer_foreign_keys = ON")
    connection.execute(
        "INSERT INTO claims (key, token, generation_id, lease_until) VALUES ('k', 't', 'none', 0)"
    )


def lose_the_transaction(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("ROLLBACK")
        raise RuntimeError("the first error")


async def test_a_commit_that_fails_leaves_no_transaction_open(made):
    """The next write is not affected."""
    with closing(schema.open_catalog(made)) as connection:
        with pytest.raises(sqlite3.IntegrityError), transaction(connection):
            insert_an_orphan(connection)
        assert not connection.in_transaction
        assert connection.execute("SELECT count(*) FROM claims").fetchone()[0] == 0


async def test_a_transaction_that_sqlite_rolled_back_raises_the_first_error(made):
    """On a full disk SQLite rolls back itself; a second rollback must not hide that."""
    with (
        closing(schema.open_catalog(made)) as connection,
        pytest.raises(RuntimeError, match="the first"),
    ):
        lose_the_transaction(connection)


class BusyDatabase:
    """Concurrent writes while the database is busy, and the statements that SQLite runs."""

    def __init__(self, path: Path) -> None:
        self.database = SqliteDatabase(path)
        self.statements: list[str] = []
        self.gate = threading.Event()

    async def write(self, *works, synced: bool = True) -> list[object]:
        """Run all writes at once; returns their results and errors."""
        await self.database.read(lambda made: made.set_trace_callback(self.statements.append))
        self.gate.clear()
        started = threading.Event()
        busy = asyncio.create_task(
            self.database.read(lambda _: started.set() or self.gate.wait(20))
        )
        await asyncio.to_thread(started.wait, 20)  # otherwise the first writes would run with it
        writing = [asyncio.create_task(self.database.write(one, synced=synced)) for one in works]
        await asyncio.sleep(0)
        self.gate.set()
        await busy
        return await asyncio.gather(*writing, return_exceptions=True)

    def count(self, statement: str) -> int:
        return self.statements.count(statement)


@pytest.fixture
async def busy_database(made) -> AsyncIterator[BusyDatabase]:
    """A database with waiting writes."""
    busy_database = BusyDatabase(made)
    yield busy_database
    await busy_database.database.close()


def note_key(key: str) -> Callable[[sqlite3.Connection], str]:
    """Make a write that binds an idempotency key."""

    def work(connection: sqlite3.Connection) -> str:
        connection.execute(
            "INSERT INTO replies (owner, key, digest, created_at) VALUES ('o', ?, 'd', 0)", (key,)
        )
        return key

    return work


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT key FROM replies")}


async def test_waiting_writes_share_one_commit(busy_database, made):
    """One sync to disk is enough for all, and each gets its own result."""
    wanted = [f"key {number}" for number in range(20)]
    assert await busy_database.write(*map(note_key, wanted)) == wanted
    assert busy_database.count("COMMIT") == 1
    assert keys(made) == set(wanted)


async def test_a_failed_write_does_not_affect_others(busy_database, made):
    """Each is repeated separately, so only the failed one gets an error."""
    results = await busy_database.write(
        note_key("a"), insert_an_orphan, note_key("b"), note_key("a")
    )
    assert results[0] == "a"
    assert isinstance(results[1], CatalogError)
    assert results[2] == "b"
    assert isinstance(results[3], CatalogError)
    assert keys(made) == {"a", "b"}


async def test_our_own_errors_roll_back_their_write(busy_database, made):
    """An exceeded budget leaves no claim behind, and the next write succeeds."""

    def refuse(connection: sqlite3.Connection) -> None:
        note_key("half done")(connection)
        raise BudgetExceeded

    refused, written = await busy_database.write(refuse, note_key("a"))
    assert isinstance(refused, BudgetExceeded)
    assert written == "a"
    assert keys(made) == {"a"}


async def test_waiting_writes_wait_for_a_lock_together(busy_database, made, monkeypatch):
    """Not one after the other, each for the full time."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.1)
    with closing(sqlite3.connect(made, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await busy_database.write(*map(note_key, "abc"))
        other.execute("ROLLBACK")
    assert [type(each) for each in results] == [CatalogError] * 3
    assert busy_database.count("BEGIN IMMEDIATE") == 1
    assert await busy_database.write(note_key("a")) == ["a"]


@pytest.mark.parametrize(("synced", "mode"), [(True, "FULL"), (False, "NORMAL")])
async def test_only_writes_that_can_be_repeated_are_not_synced(busy_database, synced, mode):
    """If one write of a group must reach the disk, all are synced."""
    await busy_database.write(note_key("a"), note_key("b"), synced=synced)
    assert busy_database.count(f"PRAGMA synchronous = {mode}") == 1
