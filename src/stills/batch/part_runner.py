"""Generate a part of a durable job: implements RunPart with one Stills."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from stills.app import Stills
from stills.batch.early_stop import EarlyStop
from stills.contract.access import BudgetOwner
from stills.contract.errors import (
    AccessError,
    Billing,
    InvalidReference,
    KeyRefused,
    QuotaExhausted,
    StillsError,
    StorageError,
)
from stills.contract.generation import OnSendSettled
from stills.contract.jobs import (
    JobPart,
    JobShot,
    NeededShot,
    OnShotsEnd,
    OnTry,
    QueuedShot,
    ShotEnd,
)
from stills.contract.money import JobBudget
from stills.contract.outcome import Failure, RequestOutcome
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.queue_reader import read_waiting

_WAITING_MAX = 64
_ACCOUNT = (AccessError, QuotaExhausted)

OnImage = Callable[[ImageResult, float | None], None]
"""Called with an image, and the price of a new one like it; None if unknown."""


class PartRunner:
    """Generates parts, which share `concurrency` API calls at once.

    `on_image` is called for each image, and `on_send_settled` as each API call ends.
    """

    def __init__(
        self,
        stills: Stills,
        *,
        concurrency: int,
        on_image: OnImage = lambda *_: None,
        on_send_settled: OnSendSettled = lambda *_: None,
    ) -> None:
        self.stills = stills
        self.concurrency = concurrency
        self.slots = asyncio.Semaphore(concurrency)
        self.on_image = on_image
        self.on_send_settled = on_send_settled

    async def __call__(
        self, part: JobPart, *, on_end: OnShotsEnd, on_try: OnTry, stop: asyncio.Event
    ) -> Failure | None:
        """Generate the shots, and record how each ended; see RunPart."""
        try:
            payer = await self._find_payer(part.job.spec.owner)
        except KeyRefused as error:
            return Failure.of(error)
        async with _halted_by(stop) as halt:
            run = _Run(self, part, payer, on_end, halt)
            await run.generate(on_try)
        return run.error

    async def _find_payer(self, owner: BudgetOwner | None) -> BudgetOwner | None:
        """Return the owner with the budget that its key has now.

        Raises:
            KeyRefused: the key was revoked since.
        """
        if owner is None:
            return None
        for key in await self.stills.keys.list():
            if key.name == owner.name and key.revoked_at is None:
                return BudgetOwner(key.name, key.day_usd)
        raise KeyRefused(
            f"the API key {owner.name} of this job was revoked",
            action="Submit the job again with another key.",
        )


class _Run:
    """One run through a part. `error` is the one that every further shot would fail with."""

    def __init__(
        self,
        runner: PartRunner,
        part: JobPart,
        payer: BudgetOwner | None,
        record: OnShotsEnd,
        halt: asyncio.Event,
    ) -> None:
        self.error: Failure | None = None
        self._runner = runner
        self._part = part
        self._payer = payer
        self._record = record
        self._halt = halt
        self._early_stop = EarlyStop()
        self._images = dict(part.images)
        self._ended: set[int] = set()
        self._left = {one.shot.id for one in part.shots}

    async def generate(self, on_try: OnTry) -> None:
        """Generate all shots, each after those that it needs."""
        waiting = list(self._part.shots)
        while waiting and not self._halt.is_set():
            ids = {one.shot.id for one in waiting}
            ready = [one for one in waiting if ids.isdisjoint(one.shot.needs)]
            waiting = [one for one in waiting if not ids.isdisjoint(one.shot.needs)]
            await self._generate_ready(await self._find_able(ready), on_try)

    async def _find_able(self, shots: Iterable[QueuedShot]) -> Sequence[QueuedShot]:
        """Return the shots whose needed images exist; those that never will have one fail."""
        able: list[QueuedShot] = []
        for one in shots:
            missing = [name for name in one.shot.needs if name not in self._images]
            if not missing:
                able.append(one)
            elif self._left.isdisjoint(missing):  # else a later attempt makes both
                await self._end(one, failure=Failure.of(_missing_need(missing[0])))
        return able

    async def _generate_ready(self, shots: Sequence[QueuedShot], on_try: OnTry) -> None:
        if not self._part.one_at_a_time:
            try:
                return await self._generate(shots)
            except Exception as error:  # noqa: BLE001 - of one shot: trying each finds out which
                if self._is_put_off(error):
                    return None
        for one in shots:
            if self._halt.is_set() or one.position in self._ended:
                continue
            await on_try(one.position)
            try:
                await self._generate([one])
            except Exception as error:  # noqa: BLE001 - only this shot fails
                if not self._is_put_off(error):
                    await self._end(one, failure=_as_failure(error))
        return None

    def _is_put_off(self, error: Exception) -> bool:
        """Return whether a later attempt makes the shot of an error."""
        if self._part.is_last_attempt or not isinstance(error, StillsError):
            return False
        # Without the risk of a second bill.
        return not error.outcome_unknown and (error.retryable or isinstance(error, StorageError))

    async def _generate(self, shots: Sequence[QueuedShot]) -> None:
        """Generate shots at once, and record together those that end meanwhile."""
        ended: asyncio.Queue[RequestOutcome | None] = asyncio.Queue(_WAITING_MAX)
        generating = asyncio.create_task(self._generate_into(ended, shots))
        try:
            while outcomes := await read_waiting(ended):
                await self._take(shots, outcomes)
            await generating
        finally:
            generating.cancel()
            await asyncio.gather(generating, return_exceptions=True)

    async def _generate_into(
        self, ended: "asyncio.Queue[RequestOutcome | None]", shots: Sequence[QueuedShot]
    ) -> None:
        runner, job = self._runner, self._part.job
        budget = JobBudget(job.id, job.spec.cap_usd)
        outcomes = runner.stills.generate_many(
            [_request(one.shot, self._images) for one in shots],
            concurrency=runner.concurrency,
            model=job.spec.model,
            takes_of=lambda index: shots[index].shot.take_of,
            payer=self._payer,
            job_of=lambda index: replace(budget, accepted_unknown=shots[index].accepted_unknown),
            slots=runner.slots,
            stop=self._halt,
            on_send_settled=runner.on_send_settled,
        )
        try:
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    await ended.put(outcome)
        finally:
            await ended.put(None)

    async def _take(self, shots: Sequence[QueuedShot], outcomes: Iterable[RequestOutcome]) -> None:
        ends: list[ShotEnd] = []
        for outcome in outcomes:
            one, error = shots[outcome.index], outcome.error
            self._early_stop.add(outcome, takes_of=one.shot.take_of)
            if isinstance(error, _ACCOUNT):
                self.error = self.error or Failure.of(error)
            elif error is None and outcome.result is not None:
                self._images[one.shot.id] = outcome.result.id
                ends.append(ShotEnd(one.position, outcome.result))
            elif error is not None and not self._is_put_off(error):
                ends.append(ShotEnd(one.position, failure=_as_failure(error)))
        if self.error is not None or self._early_stop.reason is not None:
            self._halt.set()
        await self._record_all(ends)

    async def _end(self, one: QueuedShot, *, failure: Failure) -> None:
        await self._record_all([ShotEnd(one.position, failure=failure)])

    async def _record_all(self, ends: Sequence[ShotEnd]) -> None:
        if not ends:
            return
        await self._record(ends)
        results = {end.position: end.result for end in ends}
        positions = results.keys()
        self._ended |= positions
        self._left -= {one.shot.id for one in self._part.shots if one.position in positions}
        for one in self._part.shots:
            if (result := results.get(one.position)) is not None:
                self._runner.on_image(result, self._price_usd(one.shot))

    def _price_usd(self, shot: JobShot) -> float | None:
        return self._runner.stills.price_usd(
            shot.request, model=self._part.job.spec.model, references=len(shot.references)
        )


def _request(shot: JobShot, images: Mapping[str, str]) -> ImageRequest:
    """Return the request of a shot with the images of the shots that it needs."""
    if not shot.references:
        return shot.request
    references = tuple(
        images[one.id] if isinstance(one, NeededShot) else one for one in shot.references
    )
    if len(references) == 1:  # the form that the keys of older images have
        return replace(shot.request, reference_image=references[0])
    return replace(shot.request, reference_images=references)


def _as_failure(error: Exception) -> Failure:
    """Return an error as it is stored; what an equal shot's call may cost counts as well."""
    if not isinstance(error, StillsError):
        return _unexpected(error)
    billing = Billing.POSSIBLE if error.outcome_unknown else error.billing
    return replace(Failure.of(error), billing=billing)


def _missing_need(because: str) -> InvalidReference:
    return InvalidReference(
        f"it depends on {because!r}, which has no image",
        field="reference_shot",
        action=f"Retry the job: {because!r} and this shot are then generated.",
    )


def _unexpected(error: Exception) -> Failure:
    return Failure(
        code="unexpected",
        message=f"unexpected {type(error).__name__}: {str(error)[:200]}",
        action="Report what you see. The other shots are not affected.",
        retryable=False,
        billing=Billing.NONE,
        request_id=None,
    )


@asynccontextmanager
async def _halted_by(stop: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set with `stop`, and can be set without it."""
    halt = asyncio.Event()

    async def follow() -> None:
        await stop.wait()
        halt.set()

    following = asyncio.create_task(follow())
    try:
        yield halt
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
