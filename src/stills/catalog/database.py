"""One SQLite connection on one thread of its own, so that no query blocks the event loop."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from stills.contract.errors import CatalogDamaged, CatalogError

Result = TypeVar("Result")

LOCK_WAIT_SECONDS = 20.0
_APPLICATION_ID = 0x5374696C  # "Stil": tells our database from anybody else's
_MIGRATIONS = Path(__file__).with_name("migrations")


class Database:
    """A catalog database. It is opened, and made or migrated, at its first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stills-catalog")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work` on the database's thread; it is done even if the caller is cancelled.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        if self._closed:
            raise CatalogError(f"the catalog {self.path} was closed")
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._thread, self._work, work)
        working.add_done_callback(_retrieve)
        return await asyncio.shield(working)

    async def set_aside_if_damaged(self) -> str | None:
        """Rename a damaged database; gives its new path, None if there is nothing to set aside.

        Raises:
            CatalogError: it is sound, but can't be used for another reason.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, self._set_aside))

    async def close(self) -> None:
        """Finish what was begun, close the connection and end the thread; again does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _work(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            if self._connection is None:
                self._connection = _open(self.path)
            return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise _translate(error, self.path) from error

    def _set_aside(self) -> str | None:
        try:
            self._work(_check)
        except CatalogDamaged:
            self._disconnect()
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
            for ending in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + ending)
                if part.exists():
                    part.rename(f"{aside}{ending}")
            return str(aside)
        return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _retrieve(working: asyncio.Future[Result]) -> None:
    """Take note of an error that nobody waits for, or asyncio would write it to the terminal."""
    if not working.cancelled():
        working.exception()


@contextmanager
def transaction(
    connection: sqlite3.Connection, *, synced: bool = True
) -> Iterator[sqlite3.Connection]:
    """Hold the write lock; commit at the end, roll back on any exception.

    `synced`, the commit survives a power cut; without, it does so with the next one that is.
    """
    if not synced:
        connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # on a full or broken disk SQLite rolls back by itself
            connection.execute("ROLLBACK")
        raise
    finally:
        if not synced:
            connection.execute("PRAGMA synchronous = FULL")


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        # What a send cost must survive a power cut, so every commit is synced to the disk.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"malformed: {found}")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    scripts = sorted(_MIGRATIONS.glob("*.sql"))
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    _refuse_foreign(connection, path)
    if version > len(scripts):
        raise CatalogError(
            f"the catalog {path} was written by a newer Stills "
            f"(schema {version}, this one knows {len(scripts)})",
            action="Upgrade Stills, or point STILLS_CATALOG at another file. Nothing was changed.",
        )
    if version == len(scripts):
        return
    if version == 0:
        _switch_to_wal(connection)
    with transaction(connection):
        # Another process may have migrated while this one waited for the lock.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, script in enumerate(scripts[version:], start=version + 1):
            for statement in _statements(script.read_text(encoding="utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # For this statement alone SQLite does not wait while other processes open the new file too.
    give_up_at = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    # Tables first: of a catalog made meanwhile by another process, the id is there as well.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and owner != _APPLICATION_ID:
        raise CatalogError(
            f"{path} is a database of another program",
            action="Point STILLS_CATALOG at another file. Nothing was changed.",
        )


def _statements(script: str) -> Iterator[str]:
    # executescript() would commit the surrounding transaction.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _translate(error: Exception, path: Path) -> CatalogError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return CatalogError(
            f"the catalog {path} stayed locked for {LOCK_WAIT_SECONDS:.0f} s",
            action="Close the program that holds it, then ask again.",
        )
    if "malformed" in text or "not a database" in text:
        return CatalogDamaged(f"the catalog {path} is damaged: {text}")
    return CatalogError(f"the catalog {path} can't be used: {text}")
