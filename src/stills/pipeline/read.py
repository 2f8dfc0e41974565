"""Read: get a kept image, and see that it is still the one that was kept."""

from stills.contract.errors import ImageMissing
from stills.contract.generation import Image
from stills.pipeline.ports import Ports
from stills.pipeline.render import render
from stills.pipeline.whole import read_whole


async def read(ports: Ports, image: Image) -> bytes:
    """Read a kept image; a rendition that is lost or damaged is made anew.

    Raises:
        ImageMissing: the store has lost the image, or it is damaged there.
        StoreRefused: the store can't be used.
    """
    rendition, generation = image.rendition, image.generation
    try:
        return await read_whole(ports.store, rendition.object_path, rendition.sha256)
    except ImageMissing:
        if rendition.size == generation.draft.native_size:
            raise
        rendition = await render(ports, generation, rendition.size)
        await ports.catalog.adopt(generation, [rendition])
        return await read_whole(ports.store, rendition.object_path, rendition.sha256)
