"""Read: find a stored image, and read it back verified."""

from stills.contract.errors import ImageMissing, InvalidRequest, NotFound
from stills.contract.generation import Image
from stills.pipeline.context import Render
from stills.pipeline.integrity import read_verified
from stills.pipeline.ports import Ports

_PREFIX_MIN = 4  # "" and "1" come from an empty variable and a list's numbers


async def read(ports: Ports, image: Image, render: Render) -> bytes:
    """Read a stored image; a lost or damaged rendition is rendered again with `render`.

    Raises:
        ImageMissing: the image is missing from the store, or damaged.
        StoreRefused: the store can't be used.
    """
    rendition, generation = image.rendition, image.generation
    try:
        return await read_verified(ports.store, rendition.object_path, rendition.sha256)
    except ImageMissing:
        if rendition.size == generation.spec.native_size:
            raise
        rendition = await render(generation, rendition.size)
        await ports.catalog.adopt(generation, [rendition])
        return await read_verified(ports.store, rendition.object_path, rendition.sha256)


async def find_by_prefix(ports: Ports, prefix: str) -> Image:
    """Find the image whose id starts with `prefix`, of at least four characters.

    Raises:
        NotFound: no image's id starts with it.
        InvalidRequest: several do, or it is too short.
    """
    if len(prefix) < _PREFIX_MIN:
        raise InvalidRequest(
            f"{prefix!r} is too short for the beginning of an id",
            field="id",
            action=f"Give at least {_PREFIX_MIN} characters of an id that `stills list` shows.",
        )
    images = await ports.catalog.find_images(prefix)
    exact = [image for image in images if image.rendition.id == prefix]
    if len(exact or images) == 1:
        return (exact or images)[0]
    if not images:
        raise NotFound(f"no image has an id that starts with {prefix[:60]!r}", field="id")
    raise InvalidRequest(
        f"several images have ids that start with {prefix!r}: "
        + ", ".join(image.rendition.id for image in images),
        field="id",
        action="Use more characters of the id.",
    )
