"""Many: requests in, outcomes out as they finish; no more is held than what is under way.

A reader takes requests ahead, an answerer gives at once what the catalog has and begins the rest.
At most `concurrency` wait for the service at a time; some more are made ready for it, or kept after
it, so that it never waits for the disk. Whoever takes the outcomes slowly slows all of it down.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Sequence,
)
from dataclasses import dataclass, replace

from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest, check_is_request
from stills.contract.result import ImageResult
from stills.pipeline.context import Options
from stills.pipeline.generate import Pipeline
from stills.queue_reader import read_waiting
from stills.ratelimit.limiter import StartTooLate

LOOKAHEAD = 64
"""How many requests are read ahead, and looked up together at most."""

BESIDE_MAX = 16
"""How many are under way at most beside those that the service works on."""

Requests = Iterable[ImageRequest] | AsyncIterable[ImageRequest]
FreshOf = Callable[[int], bool]
"""Tells of a request, by its index, whether to pay for a new image in any case."""

OnStageOf = Callable[[int, Stage], None]
"""Called on the event loop each time the generation of a request, by its index, gets further."""


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    request: ImageRequest
    is_fresh: bool


class Many:
    """One run through many requests.

    `stop`, once set, lets only what was sent be finished. What the service refused, or lost, is not
    sent again: its error is its outcome.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        options: Options,
        *,
        is_fresh: FreshOf,
        concurrency: int,
        stop: asyncio.Event | None,
        on_stage: OnStageOf | None,
    ) -> None:
        self._pipeline = pipeline
        self._stop = stop or asyncio.Event()
        self._options = replace(
            options, slots=asyncio.Semaphore(concurrency), stop=self._stop, looked_up=True
        )
        self._is_fresh = is_fresh
        self._on_stage = on_stage
        self._under_way = asyncio.Semaphore(concurrency + min(concurrency, BESIDE_MAX))
        self._rows: asyncio.Queue[_Row | None] = asyncio.Queue(LOOKAHEAD)
        self._outcomes: asyncio.Queue[Sequence[RequestOutcome] | None] = asyncio.Queue(1)
        self._making: dict[int, asyncio.Task[None]] = {}
        self._sent: set[int] = set()
        self._failure: Exception | None = None

    async def outcomes(self, requests: Requests) -> AsyncGenerator[RequestOutcome]:
        """Give outcomes as they finish; leaving the loop begins and waits for nothing more."""
        running = asyncio.create_task(self._run(requests))
        try:
            while (together := await self._outcomes.get()) is not None:
                for outcome in together:
                    yield outcome
            if self._failure is not None:
                raise self._failure
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run(self, requests: Requests) -> None:
        stopping = None
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(requests))
                answering = group.create_task(self._answer(group))
                stopping = asyncio.create_task(self._stop_unsent((reading, answering)))
        except ExceptionGroup as failures:  # the first has cancelled the rest
            self._failure = failures.exceptions[0]
        finally:
            if stopping is not None:
                stopping.cancel()
        await self._outcomes.put(None)

    async def _read(self, requests: Requests) -> None:
        index = 0
        try:
            async for request in _each(requests):
                check_is_request(request)
                await self._rows.put(_Row(index, request, self._is_fresh(index)))
                index += 1
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # A group takes that for the end of this task, and all others would wait for ever.
            raise RuntimeError("the requests were cancelled by whoever makes them") from None
        await self._rows.put(None)

    async def _answer(self, group: asyncio.TaskGroup) -> None:
        while rows := await read_waiting(self._rows):
            kept = await self._find_kept([row for row in rows if not row.is_fresh])
            if kept:
                await self._outcomes.put(kept)
            answered = {outcome.index for outcome in kept}
            for row in rows:
                if row.index not in answered:
                    await self._under_way.acquire()
                    self._making[row.index] = group.create_task(self._make(row))

    async def _find_kept(self, rows: Sequence[_Row]) -> Sequence[RequestOutcome]:
        if not rows:
            return ()
        requests = [row.request for row in rows]
        answers = await self._pipeline.answer_from_catalog(requests, self._options)
        return [
            RequestOutcome(row.index, row.request, result=answer.result)
            for row, answer in zip(rows, answers, strict=True)
            if answer.result is not None
        ]

    async def _make(self, row: _Row) -> None:
        try:
            try:
                outcome = RequestOutcome(row.index, row.request, result=await self._ask(row))
            except StillsError as error:
                outcome = RequestOutcome(row.index, row.request, error=error)
            self._making.pop(row.index, None)
            await self._outcomes.put([outcome])
        finally:
            self._making.pop(row.index, None)
            self._sent.discard(row.index)
            self._under_way.release()

    async def _ask(self, row: _Row) -> ImageResult:
        options = replace(
            self._options,
            fresh=row.is_fresh,
            on_stage=lambda stage: self._follow(row, stage),
        )
        while True:
            try:
                return await self._pipeline.generate(row.request, options)
            except StartTooLate as error:
                # Many may wait for longer than the deadline of one. Nothing is under way.
                if not error.can_repeat or self._stop.is_set():
                    raise
                self._sent.discard(row.index)
                await asyncio.sleep(error.retry_after_seconds or 0.0)

    def _follow(self, row: _Row, stage: Stage) -> None:
        if stage is Stage.CLAIMED:
            self._sent.discard(row.index)
        else:
            self._sent.add(row.index)
        if self._on_stage is not None:
            self._on_stage(row.index, stage)

    async def _stop_unsent(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await self._stop.wait()
        unsent = [task for index, task in self._making.items() if index not in self._sent]
        for task in (*tasks, *unsent):
            task.cancel()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _each(requests: Requests) -> AsyncIterator[ImageRequest]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
