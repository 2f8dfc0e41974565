"""Keep: put a paid image into the store; if that refuses, into the spool."""

from stills.contract.errors import Billing, StoreRefused
from stills.contract.generation import Generation, Inspection, Stage
from stills.pipeline.job import Job
from stills.pipeline.names import object_path
from stills.pipeline.ports import Ports


async def keep(job: Job, generation: Generation, data: bytes, inspection: Inspection) -> None:
    """Store a generation and journal it as kept.

    Raises:
        StoreRefused: the image is spooled; asking again, once the store works, costs nothing.
    """
    ports, size = job.ports, inspection.size
    path = object_path(
        prompt=job.prompt,
        size=size,
        seed=generation.draft.seed,
        provider=generation.draft.provider,
        generation_id=generation.id,
    )
    try:
        await ports.store.put(path, data)
    except StoreRefused as error:
        raise await _spool(ports, generation, data, inspection, error) from error
    await ports.catalog.record_kept(
        generation.id, sha256=inspection.sha256, byte_count=len(data), object_path=path
    )


async def _spool(
    ports: Ports,
    generation: Generation,
    data: bytes,
    inspection: Inspection,
    refusal: StoreRefused,
) -> StoreRefused:
    path = f"{generation.id}.png"
    if generation.stage is not Stage.SPOOLED:
        try:
            await ports.spool.put(path, data)
        except StoreRefused as second:
            return StoreRefused(
                f"{refusal.message}; and the spool refused as well: {second.message}",
                action="Make room and ask again within a day: the paid image can still be "
                "downloaded until its link expires.",
                billing=Billing.BILLED,
            )
        await ports.catalog.record_spooled(
            generation.id, sha256=inspection.sha256, byte_count=len(data), spool_path=path
        )
    return StoreRefused(
        f"{refusal.message}; the paid image is safe at {ports.spool.url(path)}",
        action=f"{refusal.action} Then ask again: that finishes the job without paying.",
        billing=Billing.BILLED,
    )
