"""Adopt: take in an image that was kept while the catalog could not be written."""

from stills.contract.errors import ImageMissing
from stills.contract.generation import Generation
from stills.contract.ports.store import Store
from stills.pipeline.integrity import read_verified
from stills.pipeline.keep import keep
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_sidecar, sidecar_path


async def adopt(ports: Ports, generation_id: str) -> Generation | None:
    """Look for a generation in the store, then in the spool, and take it into the catalog.

    None if it is in neither, or in the catalog already.

    Raises:
        StorageError: store, spool or catalog can't be used.
    """
    return await _adopt_stored(ports, generation_id) or await _adopt_spooled(ports, generation_id)


async def _adopt_stored(ports: Ports, generation_id: str) -> Generation | None:
    generation = await _find(ports.store, generation_id)
    if generation is None or not await ports.catalog.adopt(generation, []):
        return None
    return generation


async def _adopt_spooled(ports: Ports, generation_id: str) -> Generation | None:
    generation = await _find(ports.spool, generation_id)
    if generation is None:
        return None
    spool_path = generation.object_path or ""
    data = await ports.spool.get(spool_path)
    inspection = await ports.imaging.inspect(data)
    await ports.marker.check()  # before the catalog counts this image among those in the store
    adopted = await ports.catalog.adopt(generation, [])
    kept = await keep(ports, generation, data, inspection)
    await ports.spool.delete(spool_path)
    await ports.spool.delete(sidecar_path(generation.id))
    return kept if adopted else None


async def _find(store: Store, generation_id: str) -> Generation | None:
    """Read a generation's facts, if its image is there and is the one they tell of."""
    path = sidecar_path(generation_id)
    if path not in await store.paths(SIDECAR_FOLDER):
        return None
    generation = read_sidecar(await store.get(path))
    if generation is None or generation.id != generation_id:
        return None
    try:
        await read_verified(store, generation.object_path or "", generation.sha256 or "")
    except ImageMissing:
        return None
    return generation
