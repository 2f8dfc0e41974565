"""Generate many images: requests in, outcomes out as they finish, in constant memory.

One task reads requests ahead. Another returns at once what the catalog has, and starts the rest:
takes of one request together, because one API call can make several images for them. At
most `concurrency` requests wait for the service at a time; a few more are being prepared or stored,
so that the service never waits for the disk. A slow consumer slows everything down.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from dataclasses import dataclass, replace
from itertools import groupby

from stills.contract.errors import InvalidRequest, StillsError
from stills.contract.generation import CatalogMiss, OnStageOf, Stage
from stills.contract.money import JobBudget
from stills.contract.outcome import RequestOutcome
from stills.contract.request import ImageRequest, check_is_request
from stills.contract.result import ImageResult
from stills.pipeline.context import Options
from stills.pipeline.generate import Pipeline
from stills.pipeline.take_group import TakeGroup
from stills.queue_reader import read_waiting
from stills.ratelimit.limiter import StartTooLate

LOOKAHEAD = 64
"""How many requests are read ahead, and at most looked up together."""

PREPARING_MAX = 16
"""How many requests are at most being prepared or stored, in addition to those at the service."""

Requests = Iterable[ImageRequest] | AsyncIterable[ImageRequest]
"""The requests of a run: any number, in order; they are read as needed."""

FreshOf = Callable[[int], bool]
"""Returns whether to always pay for a new image, by the index of the request."""

MaxCostOf = Callable[[int], float | None]
"""Returns the cap on a request's cost in USD, by its index; None means no cap."""

TakesOf = Callable[[int], str | None]
"""Returns a name by the index of a request: neighbours of one name are takes of one request."""

JobOf = Callable[[int], JobBudget | None]
"""Returns the durable job that a request belongs to, by its index."""


@dataclass(frozen=True, slots=True)
class _Indexed:
    index: int
    request: ImageRequest
    is_fresh: bool
    max_cost_usd: float | None
    takes_of: str | None
    miss: CatalogMiss | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A request's place among the takes that start with it."""

    group: TakeGroup
    number: int


class Many:
    """One run through many requests.

    After `stop` is set, only calls already sent are finished. A call that then fails is not
    retried: its error is the outcome.

    Raises:
        InvalidRequest: `concurrency` is not a whole number of 1 or more.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        options: Options,
        *,
        fresh: bool | FreshOf,
        max_cost_usd: float | MaxCostOf | None,
        takes_of: TakesOf | None,
        job_of: JobOf | None,
        concurrency: int,
        stop: asyncio.Event | None,
        on_stage: OnStageOf | None,
    ) -> None:
        _check_concurrency(concurrency)
        self._pipeline = pipeline
        self._stop = stop or asyncio.Event()
        self._options = replace(
            options,
            max_cost_usd=None if callable(max_cost_usd) else max_cost_usd,
            slots=options.slots or asyncio.Semaphore(concurrency),
            stop=self._stop,
        )
        self._is_fresh = fresh if callable(fresh) else lambda _: fresh
        self._max_cost_of = max_cost_usd if callable(max_cost_usd) else lambda _: max_cost_usd
        self._takes_of = takes_of or (lambda _: None)
        self._job_of = job_of or (lambda _: None)
        self._together_max = min(pipeline.model(options.model).images_per_call_max, concurrency)
        self._on_stage = on_stage
        self._under_way = asyncio.Semaphore(concurrency + min(concurrency, PREPARING_MAX))
        self._read_ahead: asyncio.Queue[_Indexed | None] = asyncio.Queue(LOOKAHEAD)
        self._outcomes: asyncio.Queue[Sequence[RequestOutcome] | None] = asyncio.Queue(1)
        self._making: dict[int, asyncio.Task[None]] = {}
        self._sent: set[int] = set()
        self._failure: Exception | None = None

    async def outcomes(self, requests: Requests) -> AsyncGenerator[RequestOutcome]:
        """Yield outcomes as they finish; leaving the loop stops starting and waiting."""
        running = asyncio.create_task(self._run(requests))
        try:
            while (batch := await self._outcomes.get()) is not None:
                for outcome in batch:
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
                indexed = _Indexed(
                    index,
                    request,
                    self._is_fresh(index),
                    self._max_cost_of(index),
                    self._takes_of(index),
                )
                await self._read_ahead.put(indexed)
                index += 1
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # A task group ignores a cancelled task, and the others would wait forever.
            raise RuntimeError("the iterator of requests was cancelled from outside") from None
        await self._read_ahead.put(None)

    async def _answer(self, group: asyncio.TaskGroup) -> None:
        while batch := await read_waiting(self._read_ahead):
            stored, looked_up = await self._look_up([one for one in batch if not one.is_fresh])
            if stored:
                await self._outcomes.put(stored)
            fresh = [one for one in batch if one.is_fresh]
            new = sorted([*looked_up, *fresh], key=lambda one: one.index)
            for takes in self._group(new):
                # All places first: takes that start wait for each other, while their time runs.
                for _ in takes:
                    await self._under_way.acquire()
                together = TakeGroup(len(takes))
                for number, each in enumerate(takes):
                    place = _Place(together, number) if len(takes) > 1 else None
                    self._making[each.index] = group.create_task(self._make(each, place))

    def _group(self, new: Sequence[_Indexed]) -> Iterator[Sequence[_Indexed]]:
        """Yield requests that start together: takes that one call can make, or a single one."""
        for (takes_of, _), neighbours in groupby(new, lambda each: (each.takes_of, each.is_fresh)):
            takes = list(neighbours)
            size = 1 if takes_of is None else self._together_max
            yield from (takes[start : start + size] for start in range(0, len(takes), size))

    async def _look_up(
        self, batch: Sequence[_Indexed]
    ) -> tuple[Sequence[RequestOutcome], Sequence[_Indexed]]:
        """Return the outcomes of requests whose images are stored, and the other requests."""
        if not batch:
            return (), ()
        requests = [each.request for each in batch]
        answers = await self._pipeline.answer_from_catalog(requests, self._options)
        answered = list(zip(batch, answers, strict=True))
        stored = [
            RequestOutcome(each.index, each.request, result=answer.result)
            for each, answer in answered
            if answer.result is not None
        ]
        new = [replace(each, miss=one.miss) for each, one in answered if one.result is None]
        return stored, new

    async def _make(self, each: _Indexed, place: _Place | None) -> None:
        index, request = each.index, each.request
        try:
            try:
                outcome = RequestOutcome(index, request, result=await self._generate(each, place))
            except StillsError as error:
                outcome = RequestOutcome(index, request, error=error)
            finally:
                if place is not None:
                    place.group.leave(place.number)
            self._making.pop(index, None)
            await self._outcomes.put([outcome])
        finally:
            self._making.pop(index, None)
            self._sent.discard(index)
            self._under_way.release()

    async def _generate(self, each: _Indexed, place: _Place | None) -> ImageResult:
        options = replace(
            self._options,
            fresh=each.is_fresh,
            miss=each.miss,
            max_cost_usd=each.max_cost_usd,
            job=self._job_of(each.index),
            on_stage=lambda stage: self._follow(each.index, stage),
        )
        attempt = 0
        while True:
            if place is not None:
                take = place.group.take(each.request, place.number, attempt)
                options = replace(options, take=take)
            try:
                return await self._pipeline.generate(each.request, options)
            except StartTooLate as error:
                # In a long run the wait may exceed one request's deadline. Nothing was sent.
                if not error.can_repeat or self._stop.is_set():
                    raise
                self._sent.discard(each.index)
                await asyncio.sleep(error.retry_after_seconds or 0.0)
                attempt += 1

    def _follow(self, index: int, stage: Stage) -> None:
        if stage is Stage.CLAIMED:
            self._sent.discard(index)
        else:
            self._sent.add(index)
        if self._on_stage is not None:
            self._on_stage(index, stage)

    async def _stop_unsent(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await self._stop.wait()
        unsent = [task for index, task in self._making.items() if index not in self._sent]
        for task in (*tasks, *unsent):
            task.cancel()


def _check_concurrency(given: object) -> None:
    if type(given) is not int or given < 1:
        raise InvalidRequest(
            f"concurrency is {given!r:.40}", field="concurrency", action="Set it to 1 or more."
        )


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
