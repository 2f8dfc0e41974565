"""Send: call the API until it answers. Every call is on the ledger before it goes out."""

from contextlib import suppress
from dataclasses import replace

from stills.contract.errors import (
    Billing,
    BudgetExceeded,
    CatalogError,
    InvalidReference,
    ModelNotServed,
    RateLimited,
    ServiceUnreachable,
    StillsError,
)
from stills.contract.generation import (
    Claim,
    Generation,
    ProviderAnswer,
    ProviderRequest,
    Settlement,
    Stage,
)
from stills.contract.retirement import warn_before_paying
from stills.pipeline.adopt import adopt
from stills.pipeline.call import (
    Call,
    Failed,
    Member,
    call_when_free,
    report,
    resume,
)
from stills.pipeline.context import Job, Sent, known
from stills.pipeline.journal import journal
from stills.pipeline.plan import simplify
from stills.pipeline.ports import Ports
from stills.pipeline.ready import get_ready
from stills.pipeline.retry import Retries
from stills.ratelimit.limiter import StartTooLate


async def send(job: Job) -> Job:
    """Get the image made, unless it is paid for already or was left in the store or the spool.

    If an interrupted call left a task, its outcome is awaited before anything is sent.

    Raises:
        StillsError: it failed for good; its `billing` covers all calls.
        ClaimLost: another worker has the claim now.
        Stopped: the run was stopped before the first call.
    """
    generation = known(job.generation)
    try:
        if job.claim is None or is_paid(generation):
            return job
        adopted = await _adopt_any(job.ports, job.claim)
        if adopted is not None:
            return replace(job, generation=adopted)
        sent = await _send_until_answered(job, job.claim)
    finally:
        job.options.leave_seat()
    generation = replace(
        generation,
        notes=(*generation.notes, *sent.notes),
        answer=sent.answer if sent.journalled else None,
    )
    return replace(job, generation=generation, sent=sent)


def is_paid(generation: Generation) -> bool:
    """Return whether an interrupted generation has an image to download or to read."""
    return generation.stage is Stage.SPOOLED or generation.answer is not None


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
    failed: Failed | None = None
    left = claim.generation.task
    notes: list[str] = []
    while True:
        try:
            member = Member(job, claim, request, failed)
            call = await (resume(job, claim, left) if left else call_when_free(member))
        except (StartTooLate, BudgetExceeded, CatalogError) as unsent:
            if not possibly_billed:
                raise
            raise _after(unsent, possibly_billed=True) from unsent
        left = None
        if isinstance(call.outcome, ProviderAnswer):
            journalled = await _try_to_journal(job, claim, call, call.outcome)
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
        failed = Failed(error, retry.wait_seconds, unused_start)
        if retry.simplified:
            request, note = _simplified(request, planned.text)
            notes += await _note(job, claim, note)
    notes += await _note(job, claim, call.note)
    if possibly_billed:
        note = "The outcome of an earlier call for this image is unknown; it may be billed."
        notes += await _note(job, claim, note)
    if journalled:  # otherwise a retry would be billed again
        job.reach(Stage.ANSWERED)
    return Sent(call.outcome, tuple(notes), call.number, journalled)


def _explain(job: Job, error: StillsError) -> StillsError:
    """Add what the provider does not know."""
    if isinstance(error, ModelNotServed) and job.model.retirement:
        return error.with_(message=f"{error.message}; it {job.model.retirement}")
    if isinstance(error, InvalidReference):
        return error.with_(field=job.request.references_field)
    return error


async def _settle(job: Job, number: int, error: StillsError) -> None:
    report(job, error.billing)
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


async def _try_to_journal(job: Job, claim: Claim, call: Call, answer: ProviderAnswer) -> bool:
    report(job, Billing.BILLED)
    if call.is_journalled:
        return True
    # The image is paid for. If the catalog fails now, the image must not be lost: it is fetched and
    # stored before the failure is reported.
    try:
        await journal(job.ports.catalog, claim.generation.id, answer, call.number)
    except CatalogError:
        return False
    return True


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
