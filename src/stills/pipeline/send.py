"""Order: send until there is an answer, every send on the ledger before it goes out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace

from stills.contract.errors import (
    Billing,
    BudgetExceeded,
    CatalogError,
    RateLimited,
    ServiceUnreachable,
    StillsError,
)
from stills.contract.generation import Claim, ProviderAnswer, ProviderRequest, Settlement, Stage
from stills.pipeline.context import Job
from stills.pipeline.plan import simplify
from stills.pipeline.ready import get_ready
from stills.pipeline.retry import Retries
from stills.ratelimit.limiter import StartTooLate


class ClaimLost(Exception):
    """The lease lapsed and another took the claim over, before anything was sent."""


class Stopped(Exception):
    """The run that this belongs to was stopped, and nothing is in flight."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """A send that failed and is to be repeated; `unused_start` if it never reached the service."""

    error: StillsError
    wait_seconds: float
    unused_start: float | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A made image, with notes on how; `journalled` is false where the catalog did not take it."""

    answer: ProviderAnswer
    notes: tuple[str, ...]
    send: int
    journalled: bool


async def send_until_answered(job: Job, claim: Claim) -> Sent:
    """Get one image made, repeating failed calls as the policy allows.

    Raises:
        StillsError: it failed for good; its `billing` covers all the calls.
        ClaimLost: another has the claim now.
        Stopped: the run was stopped before the first send.
    """
    # Before the ledger: what is cut off or fails here was not sent.
    await get_ready(job.ports)
    retries = Retries(job.policy, paced=not job.pacer.limit.is_none)
    order = replace(job.plan.order, seed=claim.generation.spec.seed)
    possibly_billed = False
    failed: _Failed | None = None
    notes: list[str] = []
    while True:
        try:
            started_at, send, answer = await _call(job, claim, order, failed)
        except (StartTooLate, BudgetExceeded, CatalogError) as unsent:
            if not possibly_billed:
                raise
            raise _after(unsent, possibly_billed=True) from unsent
        if isinstance(answer, ProviderAnswer):
            journalled = await _try_to_journal(job, claim, answer, send)
            break
        error = answer
        await _settle(job, send, error)
        await _slow_down(job, error, started_at)
        resend = retries.next(error)
        error = _after(error, possibly_billed=possibly_billed)
        possibly_billed = error.billing is not Billing.NONE
        if resend is None or resend.wait_seconds >= job.deadline.remaining_seconds:
            raise error
        # What never reached the service takes nothing of its allowance.
        unused_start = started_at if isinstance(error, ServiceUnreachable) else None
        failed = _Failed(error, resend.wait_seconds, unused_start)
        if resend.simplified:
            order, note = _simplified(order, job)
            notes += await _note(job, claim, note)
    if possibly_billed:
        note = "The outcome of an earlier call for this image is unknown; it may be billed."
        notes += await _note(job, claim, note)
    if journalled:  # else asking again would pay again, and it has come no further than that
        job.on_stage(Stage.ANSWERED)
    return Sent(answer, tuple(notes), send, journalled)


async def _call(
    job: Job, claim: Claim, order: ProviderRequest, failed: _Failed | None
) -> tuple[float, int, ProviderAnswer | StillsError]:
    """Call once, when it is this request's turn; returns its start, its number and what came."""
    async with _turn(job, failed) as started_at:
        job.on_stage(Stage.SENT)
        send = await _enter(job, claim)
        if send is not None:
            return started_at, send, await _send(job, order)
    if failed is not None and failed.error.billing is not Billing.NONE:
        raise failed.error  # the next to work on this would not know that it may be billed
    raise ClaimLost


async def journal(job: Job, claim: Claim, answer: ProviderAnswer, send: int) -> None:
    """Settle a send, and write down where its image can be downloaded.

    Raises:
        CatalogError: the catalog can't be written.
    """
    settlement = Settlement(Billing.BILLED, "answered", answer.request_id)
    await job.ports.catalog.record_answer(
        claim.generation.id, answer, send=send, settlement=settlement
    )


@asynccontextmanager
async def _turn(job: Job, failed: _Failed | None) -> AsyncIterator[float]:
    """Wait for a place and a start, and hold them until the answer; gives when it started.

    Raises:
        TurnTooLate: they come too late for the deadline.
        StillsError: that of the failed send, where the run was stopped before it was repeated.
        Stopped: the run was stopped before the first send.
    """
    async with AsyncExitStack() as held:
        unused_start = None
        try:
            async with _unless_stopped(job.stop):
                if failed is not None:
                    unused_start = failed.unused_start
                    await asyncio.sleep(failed.wait_seconds)
                await held.enter_async_context(_place(job))
                started_at = unused_start or await _start(job)
        except Stopped:
            if failed is None:
                raise
            raise failed.error from None
        yield started_at


@asynccontextmanager
async def _unless_stopped(stop: asyncio.Event | None) -> AsyncIterator[None]:
    """Cut the body short once the run is stopped."""
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
async def _place(job: Job) -> AsyncIterator[None]:
    """Hold a place with the service; who waits too long for one can still ask anew."""
    if job.places is None:
        yield
        return
    try:
        async with asyncio.timeout(job.deadline.remaining_seconds / 2):
            await job.places.acquire()
    except TimeoutError:
        raise StartTooLate("the service was busy with others for too long") from None
    try:
        yield
    finally:
        job.places.release()


async def _enter(job: Job, claim: Claim) -> int | None:
    """Write a call to the ledger before it goes out; returns its number, None without the claim."""
    return await job.ports.catalog.record_send(
        claim, lease_seconds=job.policy.lease_seconds, caps=job.caps
    )


async def _start(job: Job) -> float:
    """Wait for a start that leaves time for the answer, which is paid for even if it is late."""
    remaining_seconds = job.deadline.remaining_seconds
    reserve_seconds = min(job.policy.answer_timeout_seconds, remaining_seconds / 2)
    return await job.pacer.start(patience_seconds=remaining_seconds - reserve_seconds)


async def _settle(job: Job, send: int, error: StillsError) -> None:
    job.on_send_settled(job.plan.spec, error.billing)
    settlement = Settlement(error.billing, error.code, error.request_id)
    # Left unsettled it counts as possibly billed, and the send's own error says more.
    with suppress(CatalogError):
        await job.ports.catalog.settle_send(send, settlement)


async def _slow_down(job: Job, error: StillsError, started_at: float) -> None:
    if isinstance(error, RateLimited):
        with suppress(CatalogError):
            await job.pacer.slow_down(
                started_at=started_at, retry_after_seconds=error.retry_after_seconds
            )


async def _try_to_journal(job: Job, claim: Claim, answer: ProviderAnswer, send: int) -> bool:
    job.on_send_settled(job.plan.spec, Billing.BILLED)
    # From here on the image is paid for. A journal that fails now must not lose it: the image is
    # still fetched and stored, and only then the failing catalog is reported.
    try:
        await journal(job, claim, answer, send)
    except CatalogError:
        return False
    return True


async def _send(job: Job, order: ProviderRequest) -> ProviderAnswer | StillsError:
    """Send once; gives the answer, or the error that stands in its place."""
    timeout_seconds = job.policy.answer_timeout_seconds  # the deadline may still move on
    try:
        return await job.ports.provider.send(order, timeout_seconds=timeout_seconds)
    except StillsError as error:
        return error
    except asyncio.CancelledError:
        job.on_send_settled(
            job.plan.spec, Billing.POSSIBLE
        )  # as the ledger has it until it is settled
        raise


def _simplified(order: ProviderRequest, job: Job) -> tuple[ProviderRequest, str]:
    """Simplify the prompt; gives with it what to say of that, nothing if it was simple enough."""
    simpler = simplify(job.plan.order.text)
    if simpler == order.text:
        return order, ""
    note = f"The service gave no image for the prompt, so a simpler one was sent: {simpler!r}."
    return replace(order, text=simpler), note


async def _note(job: Job, claim: Claim, note: str) -> list[str]:
    """Journal a note, unless it is empty; if the catalog fails, the facts still have it."""
    if not note:
        return []
    with suppress(CatalogError):
        await job.ports.catalog.record_note(claim.generation.id, note)
    return [note]


def _after(error: StillsError, *, possibly_billed: bool) -> StillsError:
    """Return an error as it stands after the earlier calls, one of which may be billed."""
    if not possibly_billed or error.billing is not Billing.NONE:
        return error
    message = f"{error.message}; an earlier call was cut off and may be billed"
    return error.with_(message=message, billing=Billing.POSSIBLE)
