"""Adopt: add an image to the catalog that was stored while the catalog could not be written."""

from contextlib import aclosing

from stills.contract.errors import ImageMissing, StoreRefused
from stills.contract.generation import Generation
from stills.contract.ports.store import Store
from stills.pipeline.context import Fetched
from stills.pipeline.integrity import read_verified
from stills.pipeline.keep import keep_image
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_generation, sidecar_path


async def adopt(ports: Ports, generation_id: str) -> Generation | None:
    """Find a generation in the store or the spool, and add it to the catalog.

    Returns None if it is in neither, or is in the catalog already.

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
    await ports.marker.check()  # before the catalog lists this image as stored
    adopted = await ports.catalog.adopt(generation, [])
    kept = await keep_image(ports, generation, Fetched(data, inspection))
    await ports.spool.delete(spool_path)
    await ports.spool.delete(sidecar_path(generation.id))
    return kept if adopted else None


async def _find(store: Store, generation_id: str) -> Generation | None:
    """Read a generation from its sidecar, if its image is there and matches."""
    if not await _exists(store, sidecar_path(generation_id)):
        return None
    generation = await read_generation(store, generation_id)
    if generation is None:
        return None
    try:
        await read_verified(store, generation.object_path or "", generation.sha256 or "")
    except ImageMissing:
        return None
    return generation


async def _exists(store: Store, path: str) -> bool:
    try:
        return await store.exists(path)
    except StoreRefused:
        # One that was never used is missing as a whole, which a list of its objects tells apart.
        async with aclosing(store.pages(SIDECAR_FOLDER)) as pages:
            async for page in pages:
                if page:
                    raise
        return False
