"""Draw: get one generation made and kept, or finish one that was interrupted."""

from dataclasses import dataclass

from stills.contract.errors import DamagedImage
from stills.contract.generation import Answer, Claim, Found, Generation, Stage
from stills.pipeline.adopt import adopt
from stills.pipeline.claim import claimed
from stills.pipeline.facts import facts_path
from stills.pipeline.fetch import fetch
from stills.pipeline.job import Job
from stills.pipeline.keep import keep
from stills.pipeline.order import ClaimLost, order_image
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports


@dataclass(frozen=True, slots=True)
class Drawn:
    """A kept generation, and whether it was sent for just now."""

    generation_id: str
    sent: bool


async def draw(job: Job) -> Drawn:
    """Claim, generate, fetch, keep.

    Raises:
        StillsError: the image could not be made or kept.
    """
    while True:
        try:
            async with claimed(job) as taken:
                if isinstance(taken, Found):
                    return Drawn(taken.generation.id, sent=False)
                job.on_stage(Stage.CLAIMED)
                drawn = await _work(job, taken)
        except ClaimLost:
            continue
        job.on_stage(Stage.KEPT)
        return drawn


async def _work(job: Job, claim: Claim) -> Drawn:
    """Bring a generation from where it stands to kept."""
    generation = claim.generation
    if await resume(job.ports, job.policy, generation):
        return Drawn(generation.id, sent=False)
    if not job.fresh:
        for cut_off in claim.cut_off:
            if await adopt(job.ports, cut_off):
                return Drawn(cut_off, sent=False)
    answer = await order_image(job, claim)
    await _fetch_and_keep(job.ports, job.policy, generation, answer)
    return Drawn(generation.id, sent=True)


async def resume(ports: Ports, policy: Policy, generation: Generation) -> bool:
    """Finish a generation that is paid for already; False if it is not.

    Raises:
        StillsError: the image could not be had or kept; it stays as it is.
    """
    if generation.stage is Stage.SPOOLED:
        await _keep_spooled(ports, generation)
    elif generation.answer is not None:
        await _fetch_and_keep(ports, policy, generation, generation.answer)
    else:
        return False
    return True


async def _fetch_and_keep(
    ports: Ports, policy: Policy, generation: Generation, answer: Answer
) -> None:
    data, inspection = await fetch(ports, policy, generation, answer)
    await keep(ports, generation, data, inspection)


async def _keep_spooled(ports: Ports, generation: Generation) -> None:
    spool_path = generation.spool_path or ""
    data = await ports.spool.get(spool_path)
    inspection = await ports.imaging.inspect(data)
    if inspection.sha256 != generation.sha256:
        raise DamagedImage("the spooled image was changed since it was paid for")
    await keep(ports, generation, data, inspection)
    await ports.spool.delete(spool_path)
    await ports.spool.delete(facts_path(generation.id))
