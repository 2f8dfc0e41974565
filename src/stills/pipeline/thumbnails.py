"""Thumbnails of stored images: each is made once, and kept in a folder that may be lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from stills.contract.errors import StillsError
from stills.contract.generation import Image
from stills.pipeline.ports import Ports
from stills.pipeline.single_flight import SingleFlight

SIDE_MAX_PIXELS = 512

_AT_ONCE = 2  # each holds a decoded image


class Thumbnails:
    """Makes thumbnails, one for all that ask for the same at once."""

    def __init__(self, ports: Ports, read: Callable[[Image], Awaitable[bytes]]) -> None:
        self._ports = ports
        self._read = read
        self._calls: SingleFlight[str, bytes] = SingleFlight()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def get(self, image: Image) -> bytes:
        """Return an image as a small JPEG.

        Raises:
            ImageMissing: the image is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        if self._ports.thumbnails is not None:
            with suppress(StillsError):  # it was not made yet, or can't be kept
                return await self._ports.thumbnails.get(thumbnail_path(image.rendition.object_path))
        made, _ = await self._calls.join(image.rendition.id, lambda: self._make(image))
        return made

    async def close(self) -> None:
        """Cancel what is being made."""
        await self._calls.close()

    async def _make(self, image: Image) -> bytes:
        async with self._slots:
            png = await self._read(image)
            small = await self._ports.imaging.thumbnail(png, SIDE_MAX_PIXELS)
        if self._ports.thumbnails is not None:
            with suppress(StillsError):
                await self._ports.thumbnails.put(thumbnail_path(image.rendition.object_path), small)
        return small


def thumbnail_path(object_path: str) -> str:
    """Return the path of an image's thumbnail by that of the image in the store."""
    return f"{object_path.rpartition('/')[2].removesuffix('.png')}.jpg"
