"""Draw: get one generation made and kept, or finish one that was interrupted."""

import asyncio
import time
from dataclasses import dataclass, replace

from stills.contract.errors import (
    AccessError,
    Billing,
    CatalogError,
    DamagedImage,
    ImageMissing,
    LinkDead,
    LinkLost,
    ServiceError,
)
from stills.contract.generation import (
    CatalogHit,
    Claim,
    Generation,
    Inspection,
    ProviderAnswer,
    Stage,
)
from stills.pipeline.adopt import adopt
from stills.pipeline.claim import claimed
from stills.pipeline.context import Job
from stills.pipeline.fetch import fetch
from stills.pipeline.keep import keep
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.send import ClaimLost, Sent, journal, send_until_answered
from stills.pipeline.spool import discard_spooled, read_spooled, spool_url


class LinkExpired(Exception):
    """The link to a paid image is past its time and was tried: the image is lost."""


@dataclass(frozen=True, slots=True)
class Made:
    """A kept generation, and whether it was sent for just now."""

    found: CatalogHit
    sent: bool


async def make_generation(job: Job) -> Made:
    """Claim, generate, fetch, keep.

    Raises:
        StillsError: the image could not be made or kept.
        Stopped: the run was stopped before anything was sent.
    """
    while True:
        try:
            async with claimed(job) as taken:
                if isinstance(taken, CatalogHit):
                    return Made(taken, sent=False)
                job.on_stage(Stage.CLAIMED)
                drawn = await _work(job, taken)
        except (ClaimLost, LinkExpired):
            continue
        job.on_stage(Stage.KEPT)
        return drawn


async def _work(job: Job, claim: Claim) -> Made:
    """Bring a generation from where it stands to kept."""
    generation = claim.generation
    if generation.stage.billing is Billing.BILLED:
        job.on_stage(generation.stage)
    kept = await resume(job.ports, job.policy, generation)
    if kept is None and not job.fresh:
        kept = await _adopt_any(job.ports, claim)
    if kept is not None:
        return Made(CatalogHit(kept, None), sent=False)
    made = await send_until_answered(job, claim)
    generation = replace(
        generation,
        notes=(*generation.notes, *made.notes),
        answer=made.answer if made.journalled else None,
    )
    try:
        data, inspection = await fetch(job.ports, job.policy, generation, made.answer)
    except (ServiceError, asyncio.CancelledError) as error:
        if not made.journalled:
            await asyncio.shield(_journal_late(job, claim, made, error))
        raise
    kept = await keep(job.ports, generation, data, inspection)
    return Made(CatalogHit(kept, None), sent=True)


async def _journal_late(job: Job, claim: Claim, made: Sent, error: BaseException) -> None:
    """Write the link down after all.

    Raises:
        LinkLost: that failed too, and so did the download.
    """
    try:
        await journal(job, claim, made.answer, made.send)
    except CatalogError as late:
        if not isinstance(error, ServiceError):
            return
        # Where the bytes of a damaged image are set aside is still said.
        aside = error.action.removesuffix(error.default_action)
        raise LinkLost(
            f"{error.message}; the catalog takes nothing, and the link to the paid image is lost",
            action=f"{aside}{LinkLost.default_action}",
            billing=Billing.BILLED,
            request_id=error.request_id,
        ) from late


async def resume(ports: Ports, policy: Policy, generation: Generation) -> Generation | None:
    """Finish a generation that is paid for already; None if it is not.

    Raises:
        StillsError: the image could not be had or kept; it stays as it is.
        LinkExpired: it can't be downloaded any more.
    """
    if generation.stage is Stage.SPOOLED:
        return await _keep_spooled(ports, policy, generation)
    if generation.answer is not None:
        return await _fetch_and_keep(ports, policy, generation, generation.answer)
    return None


async def _adopt_any(ports: Ports, claim: Claim) -> Generation | None:
    for generation_id in claim.cut_off:
        adopted = await adopt(ports, generation_id)
        if adopted is not None:
            await ports.catalog.release(claim)  # the claim's own generation is not needed
            return adopted
    return None


async def _fetch_and_keep(
    ports: Ports, policy: Policy, generation: Generation, answer: ProviderAnswer
) -> Generation:
    if answer.expires_at == 0.0:
        raise LinkExpired
    try:
        data, inspection = await fetch(ports, policy, generation, answer)
    except (LinkDead, DamagedImage) as error:
        # Only a link that failed is given up, because our clock may be ahead of the service's.
        if time.time() < answer.expires_at:
            raise
        await ports.catalog.record_link_dead(generation.id)
        raise LinkExpired from error
    return await keep(ports, generation, data, inspection)


async def _keep_spooled(ports: Ports, policy: Policy, generation: Generation) -> Generation:
    try:
        data, inspection = await _inspect_spooled(ports, generation)
    except ImageMissing as missing:
        if generation.answer is None or generation.spec.provider != ports.provider.name:
            raise
        # The link may still live, and downloading costs nothing.
        answered = replace(generation, stage=Stage.ANSWERED, spool_url=None)
        try:
            return await _fetch_and_keep(ports, policy, answered, generation.answer)
        except (ServiceError, AccessError, LinkExpired) as error:
            raise missing from error
    kept = await keep(ports, generation, data, inspection)
    await discard_spooled(ports, generation)
    return kept


async def _inspect_spooled(ports: Ports, generation: Generation) -> tuple[bytes, Inspection]:
    data = await read_spooled(ports, generation)
    try:
        inspection = await ports.imaging.inspect(data)
        await ports.imaging.check_pixels(data)
    except DamagedImage as error:  # an older version spooled images without decoding them
        raise ImageMissing(
            f"the paid image in the spool at {spool_url(ports, generation)} is a {error.message}",
            action="Ask with --fresh to pay for a new one.",
        ) from error
    return data, inspection
