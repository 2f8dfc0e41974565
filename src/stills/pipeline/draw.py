"""Draw: get one generation made and kept, or finish one that was interrupted."""

from dataclasses import dataclass

from stills.contract.errors import DamagedImage
from stills.contract.generation import Claim, Found, Generation, Stage
from stills.pipeline.claim import claimed
from stills.pipeline.fetch import fetch
from stills.pipeline.job import Job
from stills.pipeline.keep import keep
from stills.pipeline.order import ClaimLost, order_image


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
                sent = await _work(job, taken)
        except ClaimLost:
            continue
        job.on_stage(Stage.KEPT)
        return Drawn(taken.generation.id, sent)


async def _work(job: Job, claim: Claim) -> bool:
    """Bring a generation from where it stands to kept; tell whether that took a send."""
    generation = claim.generation
    if generation.stage is Stage.SPOOLED:
        await _keep_spooled(job, generation)
        return False
    answer = generation.answer or await order_image(job, claim)
    data, inspection = await fetch(job, generation, answer)
    await keep(job, generation, data, inspection)
    return generation.answer is None


async def _keep_spooled(job: Job, generation: Generation) -> None:
    spool_path = generation.spool_path or ""
    data = await job.ports.spool.get(spool_path)
    inspection = await job.ports.imaging.inspect(data)
    if inspection.sha256 != generation.sha256:
        raise DamagedImage("the spooled image was changed since it was paid for")
    await keep(job, generation, data, inspection)
    await job.ports.spool.delete(spool_path)
