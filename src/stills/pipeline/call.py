"""Call: one API call, for one take or for several that share it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from stills.contract.errors import (
    Billing,
    CatalogError,
    StillsError,
    TaskLost,
    TaskRunning,
    UnexpectedAnswer,
)
from stills.contract.generation import (
    AnsweredSend,
    Claim,
    ProviderAnswer,
    ProviderRequest,
    Stage,
    Task,
)
from stills.pipeline.context import Job, known
from stills.pipeline.follow import follow
from stills.pipeline.journal import settle_as_billed
from stills.pipeline.shared_call import Group
from stills.ratelimit.limiter import StartTooLate

_LOG = logging.getLogger("stills")


class ClaimLost(Exception):
    """Another worker took the claim over after the lease expired; nothing was sent."""


class Stopped(Exception):
    """The run of this request was stopped, and no call is in flight."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call number `number` and how it ended.

    `started_at` is when the limiter let it start. It is None for all but one of the takes that
    share a call, and if an earlier request sent it, so that it `is_resumed`. `is_journalled` says
    whether the answer is in the journal already. `note` is for the image's results.
    """

    number: int
    outcome: ProviderAnswer | StillsError
    started_at: float | None = None
    is_journalled: bool = False
    note: str = ""
    is_resumed: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether it is an interrupted call that nobody can ask for any more.

        As for any unknown outcome of an earlier request, asking again sends another call.
        """
        return self.is_resumed and isinstance(self.outcome, TaskLost)


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed call that will be retried; `unused_start` if it never reached the service."""

    error: StillsError
    wait_seconds: float
    unused_start: float | None


@dataclass(frozen=True, slots=True)
class Member:
    """What a call needs to know of one of its images."""

    job: Job
    claim: Claim
    request: ProviderRequest
    failed: Failed | None


@dataclass(frozen=True, slots=True)
class _Begun:
    """An asynchronous call for several images; `is_recorded` if the journal has `task`."""

    task: Task
    is_recorded: bool
    started_at: float | None
    note: str


async def call_when_free(member: Member) -> Call:
    """Call once, as soon as allowed; together with other takes, if there are any."""
    seat = member.job.options.seat
    call: Call | _Begun | None = None
    if seat is not None and seat.is_open:
        call = await seat.share(member, _call_together)
    if call is None:
        (call,) = await _call_together(Group([member]))
    if isinstance(call, Call):
        return call
    generation, task = member.claim.generation, call.task
    with _reported(member.job):
        if call.is_recorded:
            generation = replace(generation, task=task)
        outcome = await follow(member.job, generation, task)
    return Call(task.send, outcome, call.started_at, note=call.note)


async def resume(job: Job, claim: Claim, task: Task) -> Call:
    """Wait for the end of the task that an interrupted call left."""
    job.options.leave_seat()
    job.reach(Stage.SENT)
    with _reported(job):
        outcome = await follow(job, claim.generation, task)
    return Call(task.send, outcome, is_resumed=True)


def report(job: Job, billing: Billing) -> None:
    """Report to the caller how a call ended for money."""
    job.options.on_send_settled(known(job.plan).spec, billing)


async def _call_together(group: Group[Member, Call | _Begun]) -> Sequence[Call | _Begun]:
    """Call once for all members; each has its own line in the ledger."""
    job, failed = group.members[0].job, group.members[0].failed
    async with _start(job, failed) as started_at:
        members = group.close()
        for member in members:
            member.job.reach(Stage.SENT)
        numbers = await job.ports.catalog.record_sends(
            [member.claim for member in members],
            lease_seconds=job.policy.lease_seconds,
            caps=job.caps,
            account=job.ports.provider.account,
        )
        if numbers is not None:
            group.is_sent = True
            if len(members) == 1:
                outcome = await _send_alone(members[0], numbers[0])
                return [Call(numbers[0], outcome, started_at)]
            return await _send_together(members, numbers, started_at)
    if failed is not None and failed.error.billing is not Billing.NONE:
        raise failed.error  # the next worker would not know that a call may be billed
    for member in members:
        member.job.reach(Stage.CLAIMED)  # as before: nothing was sent
    raise ClaimLost


async def _send_alone(member: Member, number: int) -> ProviderAnswer | StillsError:
    """Send a call, and wait for the end of its task if it is asynchronous."""
    job, provider = member.job, member.job.ports.provider
    timeout_seconds = job.policy.answer_timeout_seconds  # not the deadline, which may still move
    with _reported(job):
        try:
            if not job.uses_tasks:
                return await provider.send(member.request, timeout_seconds=timeout_seconds)
            task_id = await provider.create_task(member.request, timeout_seconds=timeout_seconds)
        except StillsError as error:
            return error
        return await follow(job, member.claim.generation, Task(task_id, number))


async def _send_together(
    members: Sequence[Member], numbers: Sequence[int], started_at: float
) -> Sequence[Call | _Begun]:
    """Send a call for several images, and journal its task or all its images at once."""
    job, request = members[0].job, replace(members[0].request, images=len(members))
    provider, timeout_seconds = job.ports.provider, job.policy.answer_timeout_seconds
    starts = [started_at, *[None] * (len(members) - 1)]  # the limiter counts one call
    with ExitStack() as stack:
        for member in members:
            stack.enter_context(_reported(member.job))
        try:
            if job.uses_tasks:
                task_id = await provider.create_task(request, timeout_seconds=timeout_seconds)
                tasks = [Task(task_id, number, image) for image, number in enumerate(numbers)]
                return await _journal_tasks(members, tasks, starts)
            answer = await provider.send(request, timeout_seconds=timeout_seconds)
        except StillsError as error:
            return [
                Call(number, error.with_(), start)
                for number, start in zip(numbers, starts, strict=True)
            ]
        return await _journal_together(members, numbers, answer)


async def _journal_tasks(
    members: Sequence[Member], tasks: Sequence[Task], starts: Sequence[float | None]
) -> Sequence[_Begun]:
    by_id = {member.claim.generation.id: task for member, task in zip(members, tasks, strict=True)}
    try:
        await members[0].job.ports.catalog.record_tasks(by_id)
        recorded = True
    except CatalogError:
        recorded = False  # each take tries again on its own
    return [
        _Begun(task, recorded, start, note)
        for task, start, note in zip(tasks, starts, _notes(members), strict=True)
    ]


def _notes(members: Sequence[Member]) -> Sequence[str]:
    """Return a note for each image of a call, on how it was made if not by its own seed."""
    count, seed = len(members), members[0].request.seed
    further = range(2, count + 1)
    return ["", *(f"Made as image {n} of {count} in one call with seed {seed}." for n in further)]


async def _journal_together(
    members: Sequence[Member], numbers: Sequence[int], answer: ProviderAnswer
) -> Sequence[Call]:
    count = len(members)
    images = answer.single_images[:count]
    answered = [
        AnsweredSend(member.claim.generation.id, image, number, settle_as_billed(image))
        for member, number, image in zip(members, numbers, images, strict=False)
    ]
    try:
        await members[0].job.ports.catalog.record_answers(answered)
        journalled = True
    except CatalogError:
        journalled = False  # each take tries again on its own
    calls = [
        Call(number, image, is_journalled=journalled, note=note)
        for number, image, note in zip(numbers, images, _notes(members), strict=False)
    ]
    missing = UnexpectedAnswer(
        f"the service made {len(images)} of the {count} images that one call ordered, and bills "
        "only those",
        action="Retry for this image: it was not billed.",
        request_id=answer.request_id,
    )
    return [*calls, *(Call(number, missing.with_()) for number in numbers[len(images) :])]


@asynccontextmanager
async def _start(job: Job, failed: Failed | None) -> AsyncIterator[float]:
    """Wait for a slot and for the rate limit, and hold the slot; yields the time of the start.

    Raises:
        StartTooLate: the wait is too long for the deadline.
        StillsError: the failed call's, if the run was stopped before the retry.
        Stopped: the run was stopped before the first call.
    """
    async with AsyncExitStack() as held:
        unused_start = None
        try:
            async with _unless_stopped(job.options.stop):
                if failed is not None:
                    unused_start = failed.unused_start
                    _LOG.info("retry in %.0f s: %s", failed.wait_seconds, failed.error.message)
                    await asyncio.sleep(failed.wait_seconds)
                await held.enter_async_context(_slot(job))
                started_at = unused_start or await _wait_for_rate_limit(job)
        except Stopped:
            if failed is None:
                raise
            raise failed.error from None
        yield started_at


@asynccontextmanager
async def _unless_stopped(stop: asyncio.Event | None) -> AsyncIterator[None]:
    """Cancel the body when the run is stopped, with Stopped."""
    if stop is None:
        yield
        return

    async def watch() -> None:
        await stop.wait()
        body.reschedule(asyncio.get_running_loop().time())

    body = asyncio.timeout(None)
    try:
        async with body:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if not body.expired():
            raise
    if stop.is_set():
        raise Stopped


@asynccontextmanager
async def _slot(job: Job) -> AsyncIterator[None]:
    """Hold one of the slots, if there is a limit; give up in time for a retry."""
    slots = job.options.slots
    if slots is None:
        yield
        return
    try:
        async with asyncio.timeout(job.deadline.remaining_seconds / 2):
            await slots.acquire()
    except TimeoutError:
        raise StartTooLate("timed out waiting for a free slot") from None
    try:
        yield
    finally:
        slots.release()


async def _wait_for_rate_limit(job: Job) -> float:
    """Wait for a start that leaves time for the answer, which is billed even if it is late."""
    remaining_seconds = job.deadline.remaining_seconds
    reserve_seconds = min(job.policy.answer_timeout_seconds, remaining_seconds / 2)
    return await job.limiter.start(patience_seconds=remaining_seconds - reserve_seconds)


@contextmanager
def _reported(job: Job) -> Iterator[None]:
    """Report a call that has no outcome when the body ends."""
    try:
        yield
    except (asyncio.CancelledError, TaskRunning):
        # The ledger counts it like this until it is settled.
        report(job, Billing.POSSIBLE)
        raise
