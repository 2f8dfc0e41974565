"""One SQLite connection on one thread of its own, so that no query blocks the event loop.

What came while the thread was busy is done together: writes in one transaction, with one commit and
one sync to the disk for all. Callers hear of it only after that.
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
from stills.catalog.damage import check_undamaged, is_damage
from stills.catalog.diagnosis import is_frozen, trouble_with
from stills.catalog.transaction import transaction
from stills.contract.errors import CatalogDamaged, CatalogError

Result = TypeVar("Result")

_ENDINGS = ("", "-wal", "-shm")


@dataclass(slots=True, eq=False)
class _Call:
    """What one caller wants done, and what came of it."""

    work: Callable[[sqlite3.Connection], Any]
    synced: bool | None  # None: it only reads
    loop: asyncio.AbstractEventLoop
    waiting: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        """Answer the caller, on its loop, unless it has left."""
        if self.waiting.done():
            return
        if self.error is None:
            self.waiting.set_result(self.result)
        else:
            self.waiting.set_exception(self.error)


class Database:
    """A catalog database. It is opened, and made or migrated, at its first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stills-catalog")
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # the open file's device and inode
        self._closed = False
        self._visits: list[_Call] = []
        self._busy = False
        self._lock = Lock()  # over the two above

    @property
    def files(self) -> AbstractSet[Path]:
        """The resolved paths of all that SQLite writes here, there or not."""
        path = self.path.resolve()
        return {path.with_name(path.name + ending) for ending in (*_ENDINGS, "-journal")}

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work`, which changes nothing, on the database's thread.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        return await self._visit(work, synced=None)

    async def write(
        self, work: Callable[[sqlite3.Connection], Result], *, synced: bool = True
    ) -> Result:
        """Do `work` within a transaction, whole or not at all, even if the caller is cancelled.

        `work` may be done again when others in its transaction failed, so it changes nothing but
        the database. `synced`, what it wrote survives a power cut once this returns.

        Raises:
            CatalogError: the database can't be used, or was closed.
        """
        return await self._visit(work, synced=synced)

    async def check_writable(self) -> None:
        """Take the write lock for a moment, and look at the volume.

        Raises:
            CatalogError: the database can't be written.
        """
        await self.write(lambda _: None, synced=False)
        trouble = await asyncio.to_thread(trouble_with, self.path)
        if trouble:
            raise CatalogError(f"the catalog {self.path} can't be written: {trouble}")

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

    async def _visit(
        self, work: Callable[[sqlite3.Connection], Result], *, synced: bool | None
    ) -> Result:
        if self._closed:
            raise CatalogError(f"the catalog {self.path} was closed")
        loop = asyncio.get_running_loop()
        visit = _Call(work, synced, loop, loop.create_future())
        with self._lock:
            self._visits.append(visit)
            wake, self._busy = not self._busy, True
        if wake:
            self._thread.submit(self._receive)
        result: Result = await visit.waiting
        return result

    def _receive(self) -> None:
        """Do what came, until nothing more does."""
        while True:
            with self._lock:
                visits, self._visits = self._visits, []
                self._busy = bool(visits)
            if not visits:
                return
            for visit in visits:
                if visit.synced is None:
                    self._do([visit])
            # Those that need not wait for the disk hear first.
            for synced in (None, False, True):
                alike = [visit for visit in visits if visit.synced is synced]
                if synced is not None and alike:
                    self._do(alike)
                _tell(alike)

    def _do(self, visits: Sequence[_Call]) -> None:
        """Do one read, or any number of writes in one transaction."""
        try:
            if visits[0].synced is None:
                visits[0].result = self._read(visits[0].work)
                return
            connection = self._connect()
            with transaction(connection, synced=any(visit.synced for visit in visits)):
                self._check_in_place()
                for visit in visits:
                    visit.result = visit.work(connection)
        except Exception as error:  # noqa: BLE001 - those who wait get it
            if len(visits) == 1 or _is_locked(error):
                for visit in visits:
                    visit.error = self._translated(error)
                return
            # One of them failed, or all for what one did, such as filling the disk: each alone
            # gets a verdict of its own.
            for visit in visits:
                self._do([visit])

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            connection = self._connect()
        except sqlite3.OperationalError as error:
            # To read a database in use, SQLite has to write beside it.
            if _is_locked(error) or not (self.path.is_file() and is_frozen(self.path)):
                raise
            with closing(schema.open_read_only(self.path)) as read_only:
                return work(read_only)
        return work(connection)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = schema.open_catalog(self.path)
            self._opened = _identify(self.path)
        return self._connection

    def _check_in_place(self) -> None:
        """Refuse to write where nobody would read it again.

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
        except (sqlite3.Error, OSError, UnicodeDecodeError, CatalogError) as error:
            translated = self._translated(error)
            if not isinstance(translated, CatalogDamaged):
                raise translated from error
            self._disconnect()
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
            for ending in _ENDINGS:
                part = self.path.with_name(self.path.name + ending)
                if part.exists():
                    part.rename(f"{aside}{ending}")
            return str(aside)
        return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _translated(self, error: Exception) -> Exception:
        """Say what went wrong with the file in the contract's words; leave all else as it is."""
        if not isinstance(error, (sqlite3.Error, OSError, UnicodeDecodeError)):
            return error
        translated = _translate(error, self.path)
        translated.__cause__ = error
        return translated


def _tell(visits: Sequence[_Call]) -> None:
    """Answer callers, those of one loop with one call to it."""
    loops = {visit.loop for visit in visits}
    for loop in loops:
        of_loop = [visit for visit in visits if visit.loop is loop]
        with suppress(RuntimeError):  # it was closed: nobody waits any more
            loop.call_soon_threadsafe(_tell_each, of_loop)


def _tell_each(visits: Sequence[_Call]) -> None:
    for visit in visits:
        visit.tell()


def _identify(path: Path) -> tuple[int, int] | None:
    """Return a file's device and inode, or None if there is no such file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    return there.st_dev, there.st_ino


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and (
        "locked" in str(error) or "busy" in str(error)
    )


def _translate(error: Exception, path: Path) -> CatalogError:
    text = str(error)
    if _is_locked(error):
        return CatalogError(
            f"the catalog {path} stayed locked for {schema.LOCK_WAIT_SECONDS:.0f} s",
            action="Close the program that holds it, then ask again.",
        )
    if is_damage(error):
        # SQLite quotes a text that is not UTF-8, all of a prompt for instance.
        told = text.partition(" with text ")[0]
        return CatalogDamaged(f"the catalog {path} is damaged: {told}")
    trouble = trouble_with(path) if isinstance(error, sqlite3.Error) else ""
    return CatalogError(f"the catalog {path} can't be used: {text}{trouble and f': {trouble}'}")
