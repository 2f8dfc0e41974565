"""Connections to Postgres, each used by one thread at a time, so that none blocks the event loop.

A server that was reached once and is lost is waited for, as a restart or a failover takes a while.
Only a transaction that may have been committed is never run again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Lock
from typing import Any, TypeVar

import psycopg

from stills.catalog.connection import Connection
from stills.catalog.damaged_content import DamagedContent
from stills.catalog.postgres.batch import Batch
from stills.catalog.postgres.connection import PostgresConnection, connect
from stills.catalog.postgres.errors import PASSING, STALE, failed, is_of_connection, unreachable
from stills.catalog.postgres.schema import migrate
from stills.contract.errors import CatalogDamaged, CatalogError
from stills.contract.postgres_url import PostgresUrl

Result = TypeVar("Result")

CONNECTIONS_MAX = 4
AWAY_SECONDS = 60.0
"""How long a server is waited for that was reached before."""

BUSY_SECONDS = 75.0
"""How long a read or write waits for a connection; longer than those may wait for the server."""

_RECONNECT_SECONDS = 0.5
_ATTEMPTS = 5  # of a transaction that the server undoes because of others

# A plan that is kept for any text reads every prompt, because some texts are common.
_PLAN_FOR_VALUES = "SET plan_cache_mode = force_custom_plan"
_PLAN_ONCE = "RESET plan_cache_mode"


class PostgresDatabase:
    """Implements Database. The first use connects, and creates or migrates the schema."""

    def __init__(self, url: PostgresUrl, on_failure: Callable[[], None]) -> None:
        self.url = url
        self._on_failure = on_failure
        self._threads = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix="stills-catalog")
        self._search_thread = ThreadPoolExecutor(1, thread_name_prefix="stills-search")
        self._idle: list[PostgresConnection] = []
        self._lock = Lock()  # guards the list
        self._migrating = Lock()
        self._was_reached = False
        self._closed = Event()
        self._sharing: Batch[Callable[[Connection], Any], Any] = Batch(
            self._write_together, is_of_connection
        )

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which changes nothing and is quick."""
        return await self._run(self._threads, lambda: self._read(work))

    async def search(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which changes nothing and may take long: only other searches wait for it."""

        def planned(connection: PostgresConnection) -> Result:
            connection.run_script(_PLAN_FOR_VALUES)
            result = work(connection)
            connection.run_script(_PLAN_ONCE)
            return result

        return await self._run(self._search_thread, lambda: self._attempt(planned))

    async def write(
        self,
        work: Callable[[Connection], Result],
        *,
        synced: bool = True,
        shared: bool = False,
    ) -> Result:
        """Run `work` in a transaction, even if the caller is cancelled."""
        if shared:
            result: Result = await self._sharing.add(work)
            return result
        return await self._run(self._threads, lambda: self._write(work, synced=synced))

    async def _write_together(self, works: Sequence[Callable[[Connection], Any]]) -> list[Any]:
        return await self.write(lambda connection: [work(connection) for work in works])

    async def check_writable(self) -> None:
        """Begin to write, without waiting for a server that is away."""
        await self._run(
            self._threads,
            lambda: self._write(_check_writable, synced=False, away_seconds=0.0),
        )

    async def migrate(self) -> int:
        """Create or migrate the schema; returns its version."""
        return await self._run(self._threads, self._migrate)

    async def close(self) -> None:
        """Finish pending work and disconnect; again does nothing."""
        await self._sharing.finish()
        if self._closed.is_set():
            return
        self._closed.set()
        for threads in (self._threads, self._search_thread):
            await asyncio.to_thread(threads.shutdown)
        for connection in self._idle:
            connection.close()

    async def _run(self, threads: ThreadPoolExecutor, task: Callable[[], Result]) -> Result:
        if self._closed.is_set():
            raise CatalogError(f"the catalog {self.url.shown} is closed")
        running: Future[Result] = threads.submit(task)
        waiting = asyncio.wrap_future(running)
        waiting.add_done_callback(_retrieve)
        try:
            await asyncio.wait({waiting}, timeout=BUSY_SECONDS)
            if not waiting.done() and running.cancel():
                raise CatalogError(
                    f"all connections to the catalog {self.url.shown} were busy for "
                    f"{BUSY_SECONDS:.0f} s",
                    action="Retry, or lower STILLS_CONCURRENCY. Nothing was changed.",
                ) from psycopg.OperationalError("no connection was free")
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            # What the caller does next must find this done, on whichever connection it is.
            await asyncio.wait({waiting})
            raise

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        def fetch(connection: PostgresConnection) -> Result:
            result = work(connection)
            connection.finish()
            return result

        return self._attempt(fetch)

    def _write(
        self,
        work: Callable[[Connection], Result],
        *,
        synced: bool,
        away_seconds: float | None = None,
    ) -> Result:
        def transact(connection: PostgresConnection) -> Result:
            try:
                connection.execute("BEGIN")
                if not synced:
                    connection.execute("SET LOCAL synchronous_commit = off")
                result = work(connection)
                connection.finish()
            except BaseException:
                connection.roll_back()
                raise
            try:
                connection.execute("COMMIT")
                connection.finish()
            except psycopg.Error as error:
                if connection.is_lost:
                    raise _MaybeCommitted from error
                raise
            return result

        return self._attempt(transact, away_seconds=away_seconds)

    def _attempt(
        self, work: Callable[[PostgresConnection], Result], *, away_seconds: float | None = None
    ) -> Result:
        """Run work on a connection, and again while that is certain to change nothing twice."""
        give_up_at = time.monotonic() + (AWAY_SECONDS if away_seconds is None else away_seconds)
        attempts = 0
        while True:
            connection = self._take(give_up_at)
            try:
                result = work(connection)
            except _MaybeCommitted as error:
                connection.close()
                self._on_failure()
                cause = error.__cause__
                assert isinstance(cause, psycopg.Error)  # noqa: S101 - raised from one
                raise failed(self.url, cause, is_lost=True) from cause
            except psycopg.Error as error:
                attempts += 1
                is_lost = connection.is_lost
                if is_lost:
                    self._on_failure()
                if is_lost or isinstance(error, STALE):
                    connection.close()
                else:
                    self._give_back(connection)
                if isinstance(error, (*PASSING, *STALE)) and attempts < _ATTEMPTS:
                    continue
                if is_lost and time.monotonic() < give_up_at and not self._closed.is_set():
                    continue
                raise failed(self.url, error, is_lost=is_lost) from error
            except DamagedContent as error:
                self._give_back(connection)
                raise CatalogDamaged(
                    f"the catalog {self.url.shown} is damaged: {error}",
                    action="Restore a backup of the database; the images are untouched.",
                ) from error
            except BaseException:
                self._give_back(connection)
                raise
            self._give_back(connection)
            return result

    def _take(self, give_up_at: float) -> PostgresConnection:
        """Return an idle connection, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        while True:
            try:
                connection = connect(self.url)
            except psycopg.Error as error:
                self._on_failure()
                is_over = time.monotonic() >= give_up_at or not self._was_reached
                if is_over or self._closed.wait(_RECONNECT_SECONDS):
                    raise unreachable(self.url, error) from error
                continue
            try:
                if not self._was_reached:
                    self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _prepare(self, connection: PostgresConnection) -> int:
        """Create or migrate the schema, once in this process."""
        try:
            with self._migrating:
                version = migrate(connection, self.url)
        except psycopg.Error as error:
            raise failed(self.url, error, is_lost=connection.is_lost) from error
        self._was_reached = True
        return version

    def _migrate(self) -> int:
        try:
            connection = connect(self.url)
        except psycopg.Error as error:
            raise unreachable(self.url, error) from error
        try:
            return self._prepare(connection)
        finally:
            self._give_back(connection)

    def _give_back(self, connection: PostgresConnection) -> None:
        with suppress(psycopg.Error):
            connection.finish()  # what failed work left behind
        if connection.is_lost:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)


class _MaybeCommitted(Exception):
    """The connection was lost during a commit, so nobody knows whether it took place."""


def _retrieve(waiting: asyncio.Future[Any]) -> None:
    """Take an error that a cancelled caller no longer waits for."""
    if not waiting.cancelled():
        waiting.exception()


def _check_writable(connection: Connection) -> None:
    """Write nothing, as a writer; a replica refuses."""
    connection.execute("UPDATE store SET confirmed = confirmed WHERE FALSE")
    connection.execute("SELECT pg_current_xact_id()")
