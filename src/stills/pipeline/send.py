"""Send: call the API until it answers. Every call is on the ledger before it goes out."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace

from stills.contract.errors import (
    Billing,
    BudgetExceeded,
    CatalogError,
    InvalidReference,
    ModelNotServed,
    RateLimited,
    ServiceUnreachable,
    StillsError,
    TaskLost,
    TaskRunning,
)
from stills.contract.generation import (
    Claim,
    Generation,
    ProviderAnswer,
    ProviderRequest,
    Settlement,
    Stage,
    Task,
)
from stills.contract.ports.generations import Generations
from stills.pipeline.adopt import adopt
from stills.pipeline.context import Job, Sent, known
from stills.pipeline.follow import follow
from stills.pipeline.plan import simplify
from stills.pipeline.ports import Ports
from stills.pipeline.ready import get_ready
from stills.pipeline.retirement import warn_before_paying
from stills.pipeline.retry import Retries
from stills.ratelimit.limiter import StartTooLate


class ClaimLost(Exception):
    """Another worker took the claim over after the lease expired; nothing was sent."""


class Stopped(Exception):
    """The run of this request was stopped, and no call is in flight."""


@dataclass(frozen=True, slots=True)
class _Call:
    """Call number `number` and how it ended; `started_at` is None if another request sent it."""

    number: int
    outcome: ProviderAnswer | StillsError
    started_at: float | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it is an interrupted call that nobody can ask for any more.

        As for any unknown outcome of an earlier request, asking again sends another call.
        """
        return self.started_at is None and isinstance(self.outcome, TaskLost)


@dataclass(frozen=True, slots=True)
class _Failed:
    """A failed call that will be retried; `unused_start` if it never reached the service."""

    error: StillsError
    wait_seconds: float
    unused_start: float | None


async def send(job: Job) -> Job:
    """Get the image made, unless it is paid for already or was left in the store or the spool.

    If an interrupted call left a task, its outcome is awaited before anything is sent.

    Raises:
        StillsError: it failed for good; its `billing` covers all calls.
        ClaimLost: another worker has the claim now.
        Stopped: the run was stopped before the first call.
    """
    generation = known(job.generation)
    if job.claim is None or is_paid(generation):
        return job
    if not job.options.fresh:
        adopted = await _adopt_any(job.ports, job.claim)
        if adopted is not None:
            return replace(job, generation=adopted)
    sent = await _send_until_answered(job, job.claim)
    generation = replace(
        generation,
        notes=(*generation.notes, *sent.notes),
        answer=sent.answer if sent.journalled else None,
    )
    return replace(job, generation=generation, sent=sent)


def is_paid(generation: Generation) -> bool:
    """Return whether an interrupted generation has an image to download or to read."""
    return generation.stage is Stage.SPOOLED or generation.answer is not None


async def journal(
    catalog: Generations, generation_id: str, answer: ProviderAnswer, send_number: int
) -> None:
    """Settle a call, and record where its image can be downloaded.

    Raises:
        CatalogError: the catalog can't be written.
    """
    settlement = Settlement(Billing.BILLED, "answered", answer.request_id)
    await catalog.record_answer(generation_id, answer, send=send_number, settlement=settlement)


async def _adopt_any(ports: Ports, claim: Claim) -> Generation | None:
    for generation_id in claim.cut_off:
        adopted = await adopt(ports, generation_id)
        if adopted is not None:
            await ports.catalog.release(claim)  # the claim's own generation is not needed
            return adopted
    return None


async def _send_until_answered(job: Job, claim: Claim) -> Sent:
    """Call until there is an answer, and retry as the policy allows."""
    # Before the ledger, so that an interruption or a failure here does not count as sent.
    await get_ready(job.ports)
    warn_before_paying(job.model, job.ports.provider.name)
    retries = Retries(job.policy, is_rate_limited=not job.limiter.limit.is_unlimited)
    planned = known(job.plan).provider_request
    request = replace(planned, seed=claim.generation.spec.seed)
    possibly_billed = False
    failed: _Failed | None = None
    left = claim.generation.task
    notes: list[str] = []
    while True:
        try:
            calling = (
                _resume(job, claim, left) if left else _call_when_free(job, claim, request, failed)
            )
            call = await calling
        except (StartTooLate, BudgetExceeded, CatalogError) as unsent:
            if not possibly_billed:
                raise
            raise _after(unsent, possibly_billed=True) from unsent
        left = None
        if isinstance(call.outcome, ProviderAnswer):
            journalled = await _try_to_journal(job, claim, call.outcome, call.number)
            break
        error = _explain(job, call.outcome)
        await _settle(job, call.number, error)
        if call.is_lost:
            possibly_billed = True
            continue
        await _slow_down(job, error, call.started_at)
        retry = retries.next(error)
        error = _after(error, possibly_billed=possibly_billed)
        possibly_billed = error.billing is not Billing.NONE
        if retry is None or retry.wait_seconds >= job.deadline.remaining_seconds:
            raise error
        # A call that never reached the service uses none of its rate limit.
        unused_start = call.started_at if isinstance(error, ServiceUnreachable) else None
        failed = _Failed(error, retry.wait_seconds, unused_start)
        if retry.simplified:
            request, note = _simplified(request, planned.text)
            notes += await _note(job, claim, note)
    if possibly_billed:
        note = "The outcome of an earlier call for this image is unknown; it may be billed."
        notes += await _note(job, claim, note)
    if journalled:  # otherwise a retry would be billed again
        job.reach(Stage.ANSWERED)
    return Sent(call.outcome, tuple(notes), call.number, journalled)


async def _call_when_free(
    job: Job, claim: Claim, request: ProviderRequest, failed: _Failed | None
) -> _Call:
    """Call once, as soon as allowed."""
    async with _start(job, failed) as started_at:
        job.reach(Stage.SENT)
        number = await job.ports.catalog.record_send(
            claim, lease_seconds=job.policy.lease_seconds, caps=job.caps
        )
        if number is not None:
            return _Call(number, await _call(job, claim, request, number), started_at)
    if failed is not None and failed.error.billing is not Billing.NONE:
        raise failed.error  # the next worker would not know that a call may be billed
    raise ClaimLost


async def _resume(job: Job, claim: Claim, task: Task) -> _Call:
    """Wait for the end of the task that an interrupted call left."""
    job.reach(Stage.SENT)
    with _reported(job):
        return _Call(task.send, await follow(job, claim.generation, task))


@asynccontextmanager
async def _start(job: Job, failed: _Failed | None) -> AsyncIterator[float]:
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


async def _call(
    job: Job, claim: Claim, request: ProviderRequest, number: int
) -> ProviderAnswer | StillsError:
    """Call once, and wait for the end of its task if it is asynchronous."""
    provider = job.ports.provider
    timeout_seconds = job.policy.answer_timeout_seconds  # not the deadline, which may still move
    with _reported(job):
        try:
            if not (job.policy.uses_tasks and job.model.has_tasks):
                return await provider.send(request, timeout_seconds=timeout_seconds)
            task_id = await provider.create_task(request, timeout_seconds=timeout_seconds)
        except StillsError as error:
            return error
        return await follow(job, claim.generation, Task(task_id, number))


@contextmanager
def _reported(job: Job) -> Iterator[None]:
    """Report a call that has no outcome when the body ends."""
    try:
        yield
    except (asyncio.CancelledError, TaskRunning):
        # The ledger counts it like this until it is settled.
        _report(job, Billing.POSSIBLE)
        raise


def _explain(job: Job, error: StillsError) -> StillsError:
    """Add what the provider does not know."""
    if isinstance(error, ModelNotServed) and job.model.retirement:
        return error.with_(message=f"{error.message}; it {job.model.retirement}")
    if isinstance(error, InvalidReference):
        return error.with_(field=job.request.references_field)
    return error


async def _settle(job: Job, number: int, error: StillsError) -> None:
    _report(job, error.billing)
    settlement = Settlement(error.billing, error.code, error.request_id)
    # Unsettled, it counts as possibly billed; and the call's own error matters more.
    with suppress(CatalogError):
        await job.ports.catalog.settle_send(number, settlement)


async def _slow_down(job: Job, error: StillsError, started_at: float | None) -> None:
    if isinstance(error, RateLimited) and started_at is not None:
        with suppress(CatalogError):
            await job.limiter.slow_down(
                started_at=started_at, retry_after_seconds=error.retry_after_seconds
            )


async def _try_to_journal(job: Job, claim: Claim, answer: ProviderAnswer, number: int) -> bool:
    _report(job, Billing.BILLED)
    # The image is paid for. If the catalog fails now, the image must not be lost: it is fetched and
    # stored before the failure is reported.
    try:
        await journal(job.ports.catalog, claim.generation.id, answer, number)
    except CatalogError:
        return False
    return True


def _report(job: Job, billing: Billing) -> None:
    job.options.on_send_settled(known(job.plan).spec, billing)


def _simplified(request: ProviderRequest, text: str) -> tuple[ProviderRequest, str]:
    """Return the request with a simpler prompt, and a note on it, empty if nothing changed."""
    simpler = simplify(text)
    if simpler == request.text:
        return request, ""
    note = f"The service gave no image for the prompt, so a simpler one was sent: {simpler!r}."
    return replace(request, text=simpler), note


async def _note(job: Job, claim: Claim, note: str) -> list[str]:
    """Journal a note unless it is empty; if the catalog fails, the sidecar still has it."""
    if not note:
        return []
    with suppress(CatalogError):
        await job.ports.catalog.record_note(claim.generation.id, note)
    return [note]


def _after(error: StillsError, *, possibly_billed: bool) -> StillsError:
    """Return an error that also covers earlier calls, one of which may be billed."""
    if not possibly_billed or error.billing is not Billing.NONE:
        return error
    message = f"{error.message}; an earlier call was cut off and may be billed"
    return error.with_(message=message, billing=Billing.POSSIBLE)
