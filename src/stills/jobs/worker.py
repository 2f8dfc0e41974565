"""A worker: it queues parts of jobs in DBOS, runs those it gets, and takes over from dead workers.

DBOS gives each queued part to one worker, and remembers which have ended. It goes on with the work
of a process only when one with the same id starts again, so every worker shows in `executors` that
it is alive, and one of them queues the work of the dead again.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from stills.contract.errors import JobsError, StillsError
from stills.contract.jobs import JobPart, ShotEnd
from stills.contract.outcome import Failure
from stills.contract.ports.jobs import RunPart, WorkOptions
from stills.jobs import parts
from stills.jobs.database import Database, Transaction
from stills.jobs.engine import Engine
from stills.jobs.parts import PartId
from stills.jobs.submission import discard
from stills.jobs.turns import take_turn

logger = logging.getLogger("stills.jobs")

_TICK_SECONDS = 0.5
_RETRY_SECONDS = 2.0
_QUEUED_TOGETHER = 200
_PARTS_PER_WORKER = 4  # queued or running, of each job
_BEATS_IN_SILENCE = 6
_ABANDONED_SECONDS = 86_400.0

_BEAT = """
INSERT INTO executors (id, seen_at) VALUES (:id, :now)
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
"""
_ALIVE = "SELECT id FROM executors WHERE seen_at > :since"
_FORGET_DEAD = "DELETE FROM executors WHERE seen_at < :since"
_LEAVE = "DELETE FROM executors WHERE id = :id"
_ABANDONED = "SELECT id FROM jobs WHERE sequence IS NULL AND created_at < :since"
_INACTIVE = """
SELECT id FROM jobs WHERE id IN :ids AND state NOT IN ('queued', 'running')
"""

Value = TypeVar("Value")


class Worker:
    """One worker of this process, until `stop` is set; cancelling it drops the calls in flight."""

    def __init__(
        self, database: Database, run: RunPart, options: WorkOptions, stop: asyncio.Event
    ) -> None:
        self._database = database
        self._run = run
        self._options = options
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._engine = Engine(database, self._id, options.provider, self._run_from_thread)
        self._running: dict[str, dict[int, asyncio.Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._beat_at = 0.0

    async def work(self, ready: asyncio.Event) -> None:
        """Take parts until `stop` is set, then finish what was sent."""
        await self._beat()
        try:
            await asyncio.to_thread(self._engine.start)
            ready.set()
            while not self._stop.is_set():
                await self._guarded(self._tick)
                await self._sleep(_TICK_SECONDS)
        finally:
            self._stop_all()
            beating = asyncio.create_task(self._beat_until_cancelled())
            stopping = asyncio.create_task(asyncio.to_thread(self._engine.stop))
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError:
                for task in self._tasks:
                    task.cancel()
                await stopping
                raise
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
                await self._guarded(lambda: self._write(self._leave))

    async def _tick(self) -> None:
        if time.monotonic() - self._beat_at > self._options.silent_seconds / _BEATS_IN_SILENCE:
            await self._beat()
            if await self._write(
                lambda transaction: take_turn(
                    transaction, "sweep", self._options.silent_seconds / _BEATS_IN_SILENCE
                )
            ):
                await self._sweep()
        await self._stop_inactive()
        alive = await self._read(self._find_alive)
        window = _PARTS_PER_WORKER * max(1, len(alive))
        found = await self._read(
            lambda transaction: parts.find_next(
                transaction, self._options.provider, window=window, limit=_QUEUED_TOGETHER
            )
        )
        if found:
            await asyncio.to_thread(self._engine.enqueue, found)
            await self._write(lambda transaction: parts.mark_queued(transaction, found))

    async def _sweep(self) -> None:
        """Queue again what dead workers had, and what DBOS no longer has."""
        alive = await self._read(self._find_alive)
        await asyncio.to_thread(self._engine.resume_others, frozenset(alive))
        under_way = await self._read(parts.find_under_way)
        ended = await asyncio.to_thread(self._engine.find_ended, under_way)
        lost = [one for one in ended if one.number not in self._running.get(one.job_id, {})]

        def release(transaction: Transaction) -> None:
            now = transaction.now()
            for one in lost:
                parts.release(transaction, one)
            for row in transaction.all(_ABANDONED, {"since": now - _ABANDONED_SECONDS}):
                discard(transaction, row["id"])
            transaction.run(_FORGET_DEAD, {"since": now - _ABANDONED_SECONDS})

        await self._write(release)

    async def _stop_inactive(self) -> None:
        """Stop the parts of jobs that were cancelled or have failed."""
        ids = list(self._running)
        if not ids:
            return
        for row in await self._read(lambda each: each.all(_INACTIVE, {"ids": ids})):
            for stop in self._running.get(row["id"], {}).values():
                stop.set()

    def _run_from_thread(self, one: PartId) -> None:
        """Run an attempt on the event loop; called by DBOS in a thread of its own."""
        asyncio.run_coroutine_threadsafe(self._run_cancellable(one), self._loop).result()

    async def _run_cancellable(self, one: PartId) -> None:
        task = asyncio.create_task(self._run_part(one))
        self._tasks.add(task)
        try:
            await task
        finally:
            self._tasks.discard(task)

    async def _run_part(self, one: PartId) -> None:
        stop = asyncio.Event()
        if self._stop.is_set():
            stop.set()
        of_job = self._running.setdefault(one.job_id, {})
        of_job[one.number] = stop
        try:
            await self._attempt(one, stop)
        finally:
            of_job.pop(one.number, None)
            if not of_job:
                self._running.pop(one.job_id, None)

    async def _attempt(self, one: PartId, stop: asyncio.Event) -> None:
        part: JobPart | None = None
        if not stop.is_set():
            part = await self._persist(lambda: self._write(lambda each: parts.start(each, one)))
            if part is None:
                return
        error = None
        if part is not None and part.shots:
            try:
                error = await self._generate(part, one, stop)
            except Exception:  # the other parts go on, and this one is tried again
                logger.exception("a part of job %s failed unexpectedly", one.job_id)
        is_stopping = stop.is_set()
        await self._persist(
            lambda: self._write(
                lambda each: parts.end(each, one, error=error, is_stopping=is_stopping)
            )
        )

    async def _generate(self, part: JobPart, one: PartId, stop: asyncio.Event) -> Failure | None:
        async def on_end(ends: Sequence[ShotEnd]) -> None:
            await self._persist(lambda: self._write(lambda each: parts.add_ends(each, part, ends)))

        async def on_try(position: int) -> None:
            await self._persist(
                lambda: self._write(lambda each: parts.note_try(each, one, position))
            )

        return await self._run(part, on_end=on_end, on_try=on_try, stop=stop)

    async def _persist(self, work: Callable[[], Awaitable[Value]]) -> Value:
        """Repeat what the database refuses, so that a short outage loses nothing."""
        while True:
            try:
                return await work()
            except JobsError as error:
                logger.warning("%s; trying again", error.message)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StillsError as error:
            logger.warning("%s", error.message)
            await self._sleep(_RETRY_SECONDS)

    async def _beat(self) -> None:
        self._beat_at = time.monotonic()
        await self._write(
            lambda each: each.run(_BEAT, {"id": self._id, "now": each.now()}) and None
        )

    async def _beat_until_cancelled(self) -> None:
        while True:
            await self._guarded(self._beat)
            await asyncio.sleep(self._options.silent_seconds / _BEATS_IN_SILENCE)

    def _find_alive(self, transaction: Transaction) -> list[str]:
        since = transaction.now() - self._options.silent_seconds
        return [row["id"] for row in transaction.all(_ALIVE, {"since": since})]

    def _leave(self, transaction: Transaction) -> None:
        transaction.run(_LEAVE, {"id": self._id})

    def _stop_all(self) -> None:
        self._stop.set()
        for of_job in self._running.values():
            for stop in of_job.values():
                stop.set()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _read(self, work: Callable[[Transaction], Value]) -> Value:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Transaction], Value]) -> Value:
        return await asyncio.to_thread(self._database.write, work)
