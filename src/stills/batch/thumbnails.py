"""Small JPEGs of a folder's images, for its page. Each is made once: its name is that of the image.

They are only for display, so a failure to make one is not reported: the page shows the image.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from stills.app import Stills
from stills.batch.image_files import file_in
from stills.batch.manifest_entry import ManifestEntry
from stills.contract.atomic_file import replace_atomically
from stills.contract.errors import StillsError
from stills.contract.result import ImageResult

THUMBNAILS_FOLDER = "thumbnails"

_SIDE_MAX_PIXELS = 640
_DIGEST_CHARACTERS = 24
_AT_ONCE = 4  # each holds a decoded image


def image_name(result: ImageResult) -> str:
    """Return what identifies an image of a manifest."""
    return result.id or result.object_path or result.image_url


def thumbnail_file(of: ManifestEntry | str) -> str:
    """Return the path of a thumbnail in the folder, by the entry or the name of its image."""
    if isinstance(of, ManifestEntry):
        of = "" if of.result is None else image_name(of.result)
    digest = sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{THUMBNAILS_FOLDER}/{digest}.jpg"


async def make_thumbnail(stills: Stills, folder: Path, file: str, name: str) -> Path | None:
    """Make the thumbnail of the image `file` of the folder, unless it exists; return its path.

    None means that it can't be made.
    """
    target = folder / thumbnail_file(name)
    with suppress(StillsError, OSError):
        if not await asyncio.to_thread(target.is_file):
            data = await asyncio.to_thread(file_in(folder, file).read_bytes)
            small = await stills.images.scale_down(data, side_max_pixels=_SIDE_MAX_PIXELS)
            await asyncio.to_thread(_write, target, small)
        return target
    return None


async def make_thumbnails(stills: Stills, folder: Path, images: Iterable[tuple[str, str]]) -> None:
    """Make the thumbnails of images, given by file and name, a few at a time."""
    left = iter(images)

    async def work() -> None:
        for file, name in left:
            await make_thumbnail(stills, folder, file, name)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _write(target: Path, data: bytes) -> None:
    with replace_atomically(target) as part:
        part.write_bytes(data)
