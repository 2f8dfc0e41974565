"""Order: send until there is an answer, every send on the ledger before it goes out."""

import asyncio
import contextlib
from dataclasses import replace

from stills.contract.errors import Billing, CatalogError, StillsError
from stills.contract.generation import Answer, Claim, Order, Settlement, Stage
from stills.pipeline.job import Job
from stills.pipeline.plan import simplify
from stills.pipeline.retry import Resend, Retries


class ClaimLost(Exception):
    """The lease lapsed and another took the claim over, before anything was sent."""


async def order_image(job: Job, claim: Claim) -> Answer:
    """Get one image made, resending as the policy allows.

    Raises:
        StillsError: the sends failed for good; its `billing` covers all of them.
        ClaimLost: another has the claim now.
    """
    catalog = job.ports.catalog
    retries = Retries(job.policy)
    order = replace(job.plan.order, seed=claim.generation.draft.seed)
    possibly_billed = False
    while True:
        send = await catalog.record_send(
            claim, lease_seconds=job.policy.lease_seconds, caps=job.caps
        )
        if send is None:
            raise ClaimLost
        job.on_stage(Stage.SENT)
        try:
            answer = await _send(job, order)
        except StillsError as error:
            settlement = Settlement(error.billing, error.code, error.request_id)
            await catalog.settle_send(send, settlement)
            possibly_billed = possibly_billed or error.billing is not Billing.NONE
            resend = retries.next(error)
            if resend is None or resend.wait_seconds >= job.deadline.remaining_seconds:
                error.billing = Billing.POSSIBLE if possibly_billed else Billing.NONE
                raise
            order = await _before_resend(resend, order, job, claim)
        else:
            await _journal(job, claim, answer, send)
            break
    if possibly_billed:
        note = "An earlier send of this image was cut off; it may be billed."
        with contextlib.suppress(CatalogError):
            await catalog.record_note(claim.generation.id, note)
    job.on_stage(Stage.ANSWERED)
    return answer


async def _journal(job: Job, claim: Claim, answer: Answer, send: int) -> None:
    settlement = Settlement(Billing.BILLED, "answered", answer.request_id)
    # From here on the image is paid for. A journal that fails now must not lose it: the image is
    # still fetched and stored, and only then the failing catalog is reported.
    with contextlib.suppress(CatalogError):
        await job.ports.catalog.record_answer(
            claim.generation.id, answer, send=send, settlement=settlement
        )


async def _send(job: Job, order: Order) -> Answer:
    timeout_seconds = min(job.policy.answer_timeout_seconds, job.deadline.remaining_seconds)
    return await job.ports.provider.send(order, timeout_seconds=timeout_seconds)


async def _before_resend(resend: Resend, order: Order, job: Job, claim: Claim) -> Order:
    """Wait, and simplify the prompt where that is the way."""
    await asyncio.sleep(resend.wait_seconds)
    if not resend.simplified:
        return order
    simpler = simplify(job.plan.order.text)
    if simpler != order.text:
        await job.ports.catalog.record_note(
            claim.generation.id,
            f"The service gave no image for the prompt, so a simpler one was sent: {simpler!r}.",
        )
    return replace(order, text=simpler)
