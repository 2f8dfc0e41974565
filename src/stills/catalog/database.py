"""Two SQLite connections, each on a thread of its own, so that no query blocks the event loop.

One is for searches, which may take long. The other is for everything else. Writes that arrive while
its thread is busy share one transaction: one commit and one sync to disk. Callers get their results
only after that.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from stills.catalog import schema
from stills.catalog.damage import check_undamaged
from stills.catalog.damaged_content import DamagedContent
from stills.catalog.diagnosis import find_write_problem, is_frozen
from stills.catalog.holder_lock import SUFFIX, HolderLock
from stills.catalog.sqlite_errors import is_damage, is_locked, is_undecodable
from stills.catalog.transaction import transaction
from stills.contract.errors import CatalogDamaged, CatalogError

Result = TypeVar("Result")

_TRANSLATED = (DamagedContent, sqlite3.Error, OSError, UnicodeDecodeError)
_SUFFIXES = ("", "-wal", "-shm")


@dataclass(slots=True, eq=False)
class _Operation:
    """A caller's read or write, and its outcome."""

    work: Callable[[sqlite3.Connection], Any]
    synced: bool | None  # None for a read
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def resolve(self) -> None:
        """Resolve the caller's future, on its loop; a cancelled caller gets nothing."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class SqliteDatabase:
    """A catalog database. The first use opens it, and creates or migrates it as needed.

    Without `creates_to_read`, only a write creates it; until then, it is empty for reads.
    """

    def __init__(self, path: Path, *, creates_to_read: bool = True) -> None:
        self.path = path
        self._creates_to_read = creates_to_read
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stills-catalog")
        self._connection: sqlite3.Connection | None = None
        self._search_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stills-search")
        self._search_connection: sqlite3.Connection | None = None
        self._has_searched = False
        self.holder_lock = HolderLock(path)
        self._opened: tuple[int, int] | None = None  # the open file's device and inode
        self._closed = False
        self._pending: list[_Operation] = []
        self._busy = False
        self._lock = Lock()  # guards the two above

    @property
    def files(self) -> AbstractSet[Path]:
        """The resolved paths of every file that SQLite may write, existing or not."""
        path = self.path.resolve()
        return {path.with_name(path.name + suffix) for suffix in (*_SUFFIXES, "-journal", SUFFIX)}

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work`, which changes nothing and is quick: writes wait for it.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        return await self._run(work, synced=None)

    async def search(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work`, which changes nothing and may take long: only other searches wait for it.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        self._has_searched = True
        return await loop.run_in_executor(self._search_thread, self._search, work)

    async def write(
        self,
        work: Callable[[sqlite3.Connection], Result],
        *,
        synced: bool = True,
        shared: bool = True,
    ) -> Result:
        """Run `work` in a transaction, even if the caller is cancelled.

        `work` may run again if others in its transaction failed, so it changes nothing but the
        database. If `synced`, what it wrote survives a power cut once this returns. All work shares
        transactions here.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        del shared
        return await self._run(work, synced=synced)

    async def check_writable(self) -> None:
        """Take the write lock briefly, and check the volume.

        Raises:
            CatalogError: the database can't be written.
        """
        await self.write(lambda _: None, synced=False)
        problem = await asyncio.to_thread(find_write_problem, self.path)
        if problem:
            raise CatalogError(f"the catalog {self.path} can't be written: {problem}")

    async def set_aside_if_damaged(self) -> str | None:
        """Rename a damaged database; return its new path, or None if it is intact.

        Raises:
            CatalogError: it is intact, but can't be used for another reason.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._search_thread, self._end_searches)
        return await asyncio.shield(loop.run_in_executor(self._thread, self._set_aside))

    async def close(self) -> None:
        """Finish pending work, close the connection and end the thread; again does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        if self._search_connection is not None:
            self._search_connection.interrupt()
        if self._has_searched:  # without a search, this would start the thread
            await loop.run_in_executor(self._search_thread, self._end_searches)
        await loop.run_in_executor(self._thread, self._disconnect)
        await loop.run_in_executor(self._thread, self.holder_lock.close)
        self._search_thread.shutdown()
        self._thread.shutdown()

    async def _run(
        self, work: Callable[[sqlite3.Connection], Result], *, synced: bool | None
    ) -> Result:
        self._check_open()
        loop = asyncio.get_running_loop()
        operation = _Operation(work, synced, loop, loop.create_future())
        with self._lock:
            self._pending.append(operation)
            must_wake, self._busy = not self._busy, True
        if must_wake:
            self._thread.submit(self._drain)
        result: Result = await operation.future
        return result

    def _check_open(self) -> None:
        if self._closed:
            raise CatalogError(f"the catalog {self.path} is closed")

    def _drain(self) -> None:
        """Run pending operations until there are no more."""
        while True:
            with self._lock:
                operations, self._pending = self._pending, []
                self._busy = bool(operations)
            if not operations:
                return
            reads = [operation for operation in operations if operation.synced is None]
            for operation in reads:
                self._execute([operation])
            _resolve(reads)
            for synced in (False, True):  # first those that need not wait for the disk
                writes = [operation for operation in operations if operation.synced is synced]
                if writes:
                    self._execute(writes)
                    _resolve(writes)

    def _execute(self, operations: Sequence[_Operation]) -> None:
        """Run one read, or any number of writes in one transaction."""
        try:
            if operations[0].synced is None:
                operations[0].result = self._read(operations[0].work, self._connect)
                return
            connection = self._connect()
            with transaction(connection, synced=any(each.synced for each in operations)):
                self._check_in_place()
                for operation in operations:
                    operation.result = operation.work(connection)
        except Exception as error:  # noqa: BLE001 - the callers get it
            if len(operations) == 1 or is_locked(error):
                for operation in operations:
                    operation.error = self._translated(error)
                return
            # One may have failed the others, by filling the disk for instance, so each runs again
            # in a transaction of its own.
            for operation in operations:
                self._execute([operation])

    def _search(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return self._read(work, self._connect_search)
        except Exception as error:
            raise self._translated(error) from error

    def _read(
        self,
        work: Callable[[sqlite3.Connection], Result],
        connect: Callable[[], sqlite3.Connection],
    ) -> Result:
        if not self._creates_to_read and self._opened is None and schema.is_missing(self.path):
            with closing(schema.open_in_memory()) as empty:
                return work(empty)
        try:
            connection = connect()
        except sqlite3.OperationalError as error:
            # To read an open database, SQLite has to write files next to it.
            if is_locked(error) or not (self.path.is_file() and is_frozen(self.path)):
                raise
            with closing(schema.open_read_only(self.path)) as read_only:
                return work(read_only)
        return work(connection)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = schema.open_catalog(self.path)
            self._connection.create_function("life_of", 4, self.holder_lock.judge)
            self._opened = _identify(self.path)
        return self._connection

    def _connect_search(self) -> sqlite3.Connection:
        if self._search_connection is None:
            self._search_connection = schema.open_catalog(self.path)
        return self._search_connection

    def _end_searches(self) -> None:
        if self._search_connection is not None:
            self._search_connection.close()
            self._search_connection = None

    def _check_in_place(self) -> None:
        """Refuse to write to a file that is no longer at its path.

        Raises:
            CatalogError: the open file was deleted, moved or replaced.
        """
        here = _identify(self.path)
        if here != self._opened:
            what = "is gone: it was deleted or moved" if here is None else "was replaced"
            raise CatalogError(
                f"the catalog {self.path} {what} while this process was using it",
                action=(
                    "Put the right file back, or run `stills recover --rebuild` to make a new one "
                    "from the stored images. Then restart this process."
                ),
            )

    def _set_aside(self) -> str | None:
        try:
            check_undamaged(self._connect())
        except (*_TRANSLATED, CatalogError) as error:
            translated = self._translated(error)
            if not isinstance(translated, CatalogDamaged):
                raise translated from error
            self._disconnect()
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
            for suffix in _SUFFIXES:
                file = self.path.with_name(self.path.name + suffix)
                if file.exists():
                    file.rename(f"{aside}{suffix}")
            return str(aside)
        return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _translated(self, error: Exception) -> Exception:
        """Translate errors of SQLite and the file system; return any other as it is."""
        if not isinstance(error, _TRANSLATED):
            return error
        translated = _translate(error, self.path)
        translated.__cause__ = error
        return translated


def _resolve(operations: Sequence[_Operation]) -> None:
    """Resolve the callers' futures, with one call to each event loop."""
    for loop in {operation.loop for operation in operations}:
        of_loop = [operation for operation in operations if operation.loop is loop]
        with suppress(RuntimeError):  # the loop is closed, so there is no caller left
            loop.call_soon_threadsafe(_resolve_each, of_loop)


def _resolve_each(operations: Sequence[_Operation]) -> None:
    for operation in operations:
        operation.resolve()


def _identify(path: Path) -> tuple[int, int] | None:
    """Return a file's device and inode, or None if there is no such file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    return there.st_dev, there.st_ino


def _translate(error: Exception, path: Path) -> CatalogError:
    if is_locked(error):
        return CatalogError(
            f"the catalog {path} is locked by another process "
            f"(waited {schema.LOCK_WAIT_SECONDS:.0f} s)",
            action="Close the program that holds it, then retry.",
        )
    if is_damage(error):
        # Python's own message quotes the text, which may be a complete prompt.
        reason = "a text is not UTF-8" if is_undecodable(error) else str(error)
        return CatalogDamaged(f"the catalog {path} is damaged: {reason}")
    problem = find_write_problem(path) if isinstance(error, sqlite3.Error) else ""
    said = error.strerror if isinstance(error, OSError) else error
    return CatalogError(f"the catalog {path} can't be used: {said}{problem and f': {problem}'}")
