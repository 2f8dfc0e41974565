"""Render: bring a kept generation to exactly the size asked for."""

from stills.contract.errors import ImageMissing
from stills.contract.generation import Generation, Rendition
from stills.contract.size import Size
from stills.pipeline.names import object_path
from stills.pipeline.ports import Ports


async def render(ports: Ports, generation: Generation, size: Size) -> Rendition:
    """Crop and scale a generation, and keep the rendition; at native size it is the generation.

    Raises:
        ImageMissing: the store has lost the generation.
        StoreRefused: the rendition could not be written; the generation is untouched.
    """
    path, digest, byte_count = generation.object_path, generation.sha256, generation.byte_count
    if path is None or digest is None or byte_count is None:
        raise ImageMissing(f"generation {generation.id} has no image in the store")
    if size == generation.draft.native_size:
        if not await ports.store.exists(path):
            raise ImageMissing(f"{ports.store.url(path)} is gone")
    else:
        native = await ports.store.get(path)
        path = object_path(generation.draft, generation.id, size)
        data = await ports.imaging.fit(native, size)
        digest, byte_count = (await ports.imaging.inspect(data)).sha256, len(data)
        await ports.store.put(path, data)
    rendition = Rendition(generation.id, size, digest, byte_count, path)
    await ports.catalog.record_rendition(rendition)
    return rendition
