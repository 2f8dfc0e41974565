"""Keep: put the paid image into the store or, if the store refuses it, into the spool."""

from dataclasses import replace

from stills.contract.errors import Billing, CatalogError, LinkLost, StoreRefused
from stills.contract.generation import Generation, Inspection, Stage
from stills.contract.ports.store import Store
from stills.contract.size import Size
from stills.pipeline.context import Fetched, Job, known
from stills.pipeline.journal import journal_if_not_stored
from stills.pipeline.object_names import object_path
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import sidecar_path, write_sidecar
from stills.pipeline.spool import discard_spooled, spool_path, spool_url

_DOWNLOADABLE = (
    "Free up space and retry within a day: the paid image can be downloaded until its link expires."
)


async def keep(job: Job) -> Job:
    """Store the fetched image, unless it is stored already.

    Raises:
        StoreRefused: the image is spooled; once the store works, a retry is free.
        CatalogError: the image is stored, but could not be journalled.
    """
    if job.fetched is None:
        return job
    async with journal_if_not_stored(job):
        kept = await keep_image(job.ports, known(job.generation), job.fetched)
    return replace(job, generation=kept, fetched=None)


async def keep_image(ports: Ports, generation: Generation, fetched: Fetched) -> Generation:
    """Store an image with its sidecar and journal it as kept; returns the kept generation.

    A spooled image is removed from the spool.

    Raises:
        StoreRefused: the image is spooled; once the store works, a retry is free.
        CatalogError: the image is stored, but could not be journalled.
    """
    inspection = fetched.inspection
    planned, generation = generation, _with_size(generation, inspection.size)
    path = object_path(generation.spec, generation.id, inspection.size)
    try:
        await ports.marker.check()
        await _put(ports.store, path, generation, fetched)
    except StoreRefused as refusal:
        ports.marker.doubt()
        raise await _spool(ports, generation, fetched, refusal) from refusal
    try:
        kept = await _journal(ports, planned, generation, inspection, path)
    except CatalogError as error:
        raise _unrecorded(error, ports.store.url(path), "recover --rebuild") from error
    if generation.stage is Stage.SPOOLED:
        await discard_spooled(ports, generation)
    return replace(kept, notes=generation.notes)  # the catalog may have failed to record a note


async def _journal(
    ports: Ports, planned: Generation, generation: Generation, inspection: Inspection, path: str
) -> Generation:
    """Journal a stored image, and its size if that is not the planned one."""
    if generation != planned:
        await ports.catalog.record_native_size(
            generation.id, inspection.size, note=generation.notes[-1]
        )
    kept = await ports.catalog.record_kept(
        generation.id,
        sha256=inspection.sha256,
        byte_count=inspection.byte_count,
        object_path=path,
    )
    if kept is None:  # the catalog is a replica now, promoted before it had received this
        kept = replace(
            generation,
            stage=Stage.KEPT,
            sha256=inspection.sha256,
            byte_count=inspection.byte_count,
            object_path=path,
        )
        await ports.catalog.adopt(kept, [])
    return kept


def _with_size(generation: Generation, made: Size) -> Generation:
    """Return the generation with the size that the model made, and a note if it is another."""
    ordered = generation.spec.native_size
    if made == ordered:
        return generation
    note = f"The service made {made} instead of {ordered}."
    spec = replace(generation.spec, native_size=made)
    return replace(generation, spec=spec, notes=(*generation.notes, note))


async def _put(
    store: Store,
    path: str,
    generation: Generation,
    fetched: Fetched,
    *,
    store_id: str | None = None,
) -> None:
    sidecar = write_sidecar(generation, fetched.inspection, path=path, store_id=store_id)
    # The sidecar is written first, because an image without one can't be adopted. Its contents are
    # in the catalog too, which survives a power cut.
    await store.put(path, fetched.data, preceded_by=(sidecar_path(generation.id), sidecar))


async def _spool(
    ports: Ports, generation: Generation, fetched: Fetched, refusal: StoreRefused
) -> StoreRefused | CatalogError:
    """Spool an image and its sidecar; returns the error that says where they are."""
    path, inspection = spool_path(generation.id), fetched.inspection
    safe = StoreRefused(
        f"{refusal.message}; the paid image is safe at {spool_url(ports, generation)}",
        action=f"{refusal.action} A retry or `stills recover` stores it free of charge.",
        billing=Billing.BILLED,
    )
    if generation.stage is Stage.SPOOLED:  # the copy stays where it is
        return safe
    try:
        store_id = await _read_store_id(ports)
        await _put(ports.spool, path, generation, fetched, store_id=store_id)
    except StoreRefused as second:
        return StoreRefused(
            f"{refusal.message}; and the spool refused as well: {second.message}",
            action=_DOWNLOADABLE if generation.answer else LinkLost.default_action,
            billing=Billing.BILLED,
        )
    try:
        await ports.catalog.record_spooled(
            generation.id,
            sha256=inspection.sha256,
            byte_count=inspection.byte_count,
            spool_url=ports.spool.url(path),
        )
    except CatalogError as error:
        return _unrecorded(error, ports.spool.url(path), "recover")
    return safe


async def _read_store_id(ports: Ports) -> str | None:
    try:
        return await ports.marker.read_id()
    except CatalogError:  # may be the reason for spooling the image
        return None


def _unrecorded(error: CatalogError, url: str, command: str) -> CatalogError:
    return CatalogError(
        f"{error.message}; the paid image is safe at {url}, but not in the catalog",
        action=f"Fix the catalog, then run `stills {command}` before you retry.",
        billing=Billing.BILLED,
    )
