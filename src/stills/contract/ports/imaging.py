"""Imaging: checks images and makes renditions."""

from typing import Protocol

from stills.contract.generation import Chunks, Inspection
from stills.contract.size import Size


class Imaging(Protocol):
    """CPU work on images, done off the event loop."""

    async def ready(self) -> None:
        """Load what later calls need."""
        ...

    async def inspect(self, png: bytes | Chunks) -> Inspection:
        """Check every chunk of a PNG and hash it; pixels are not decoded.

        Raises:
            DamagedImage: it is not a complete PNG.
        """
        ...

    async def check_pixels(self, png: bytes | Chunks) -> None:
        """Decode every pixel of a PNG.

        Raises:
            DamagedImage: it can't be decoded to its end, or has too many pixels.
        """
        ...

    async def media_type(self, data: bytes) -> str:
        """Return `image/png`, `image/jpeg` or `image/webp`.

        Raises:
            InvalidReference: it is something else, can't be decoded, or has too many pixels.
        """
        ...

    async def fit(self, png: bytes, size: Size) -> bytes:
        """Crop around the centre and scale to exactly `size`; PNG in, PNG out.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        ...

    async def thumbnail(self, png: bytes, side_max_pixels: int) -> bytes:
        """Scale down to fit a square, never up; PNG in, JPEG out.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        ...
