"""Render: bring a kept generation to exactly the size asked for; at native size it is that."""

from stills.contract.errors import DamagedImage, ImageMissing
from stills.contract.generation import Generation, Rendition
from stills.contract.size import Size
from stills.pipeline.integrity import read_verified
from stills.pipeline.object_names import object_path
from stills.pipeline.ports import Ports


async def render(ports: Ports, generation: Generation, size: Size) -> Rendition:
    """Crop and scale a generation, and keep the rendition.

    Raises:
        ImageMissing: the store has lost the generation, or it is damaged or can't be decoded.
        WrongStore: the store is not the catalog's, or its disk is not mounted.
        StoreRefused: the rendition could not be written; the generation is untouched.
    """
    native = await read_native(ports, generation)
    path = object_path(generation.spec, generation.id, size)
    try:
        data = await ports.imaging.fit(native, size)
    except DamagedImage as error:  # an older version stored images without decoding them
        raise ImageMissing(
            f"{ports.store.url(native_rendition(generation).object_path)} is a {error.message}",
            action="Ask with --fresh to pay for a new one.",
        ) from error
    inspection = await ports.imaging.inspect(data)
    await ports.marker.check()
    await ports.store.put(path, data)
    return Rendition(generation.id, size, inspection.sha256, inspection.byte_count, path)


async def read_native(ports: Ports, generation: Generation) -> bytes:
    """Read a generation at native size.

    Raises:
        ImageMissing: the store has lost it, or it is damaged there.
        StoreRefused: it could not be read.
    """
    kept = native_rendition(generation)
    return await read_verified(ports.store, kept.object_path, kept.sha256)


def native_rendition(generation: Generation) -> Rendition:
    """Give the rendition at native size.

    Raises:
        ImageMissing: the generation was never kept.
    """
    path, digest, byte_count = generation.object_path, generation.sha256, generation.byte_count
    if path is None or digest is None or byte_count is None:
        raise ImageMissing(f"generation {generation.id} has no image in the store")
    return Rendition(generation.id, generation.spec.native_size, digest, byte_count, path)
