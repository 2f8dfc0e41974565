"""Keep: put a paid image into the store; if that refuses, into the spool."""

from dataclasses import replace

from stills.contract.errors import Billing, CatalogError, LinkLost, StoreRefused
from stills.contract.generation import Chunks, Generation, Inspection, Stage
from stills.contract.ports.store import Store
from stills.pipeline.object_names import object_path
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import sidecar_path, write_sidecar
from stills.pipeline.spool import spool_path, spool_url

_DOWNLOADABLE = (
    "Make room and ask again within a day: the paid image can still be downloaded until its link "
    "expires."
)


async def keep(
    ports: Ports, generation: Generation, data: bytes | Chunks, inspection: Inspection
) -> Generation:
    """Store a generation with its facts and journal it as kept; gives it as it is then.

    Raises:
        StoreRefused: the image is spooled; asking again, once the store works, costs nothing.
        CatalogError: the image is stored, but could not be journalled.
    """
    path = object_path(generation.spec, generation.id, inspection.size)
    try:
        await ports.marker.check()
        await _put(ports.store, path, generation, data, inspection)
    except StoreRefused as refusal:
        raise await _spool(ports, generation, data, inspection, refusal) from refusal
    try:
        kept = await ports.catalog.record_kept(
            generation.id,
            sha256=inspection.sha256,
            byte_count=inspection.byte_count,
            object_path=path,
        )
    except CatalogError as error:
        raise _unrecorded(error, ports.store.url(path), "recover --rebuild") from error
    return replace(kept, notes=generation.notes)  # a note may have failed to reach the catalog


async def _put(
    store: Store,
    path: str,
    generation: Generation,
    data: bytes | Chunks,
    inspection: Inspection,
    *,
    store_id: str | None = None,
) -> None:
    facts = write_sidecar(generation, inspection, path=path, store_id=store_id)
    # Written first, for an image without them could not be adopted. What they say is in the
    # catalog too, and that survives a power cut.
    await store.put(path, data, preceded_by=(sidecar_path(generation.id), facts))


async def _spool(
    ports: Ports,
    generation: Generation,
    data: bytes | Chunks,
    inspection: Inspection,
    refusal: StoreRefused,
) -> StoreRefused | CatalogError:
    """Lay an image and its facts into the spool; gives the error that says so."""
    path = spool_path(generation.id)
    safe = StoreRefused(
        f"{refusal.message}; the paid image is safe at {spool_url(ports, generation)}",
        action=f"{refusal.action} A retry or `stills recover` stores it free of charge.",
        billing=Billing.BILLED,
    )
    if generation.stage is Stage.SPOOLED:
        return safe
    try:
        store_id = await _read_store_id(ports)
        await _put(ports.spool, path, generation, data, inspection, store_id=store_id)
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
    except CatalogError:  # which may be why the image is spooled
        return None


def _unrecorded(error: CatalogError, url: str, command: str) -> CatalogError:
    return CatalogError(
        f"{error.message}; the paid image is safe at {url}, but not in the catalog",
        action=f"Mend the catalog, then run `stills {command}` before you ask again.",
        billing=Billing.BILLED,
    )
