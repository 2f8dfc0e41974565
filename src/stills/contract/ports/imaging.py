"""Imaging: checks images and makes renditions."""

from dataclasses import dataclass
from typing import Protocol

from stills.contract.generation import Chunks, Inspection
from stills.contract.image_kinds import ImageKind
from stills.contract.size import Size


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """A reference image as it is sent: PNG, JPEG or WebP.

    `size` is the size in which people saw the original: upright, before scaling. `changes` are
    phrases that say what a model does not get to see: "was scaled down from ...".
    """

    data: bytes
    media_type: str
    size: Size
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PngImage:
    """A checked PNG, and its size."""

    data: bytes
    size: Size


@dataclass(frozen=True, slots=True)
class TextLook:
    """How text is drawn. Lengths are in pixels, and the colour is sRGB.

    Lines are broken at `width`, and what does not fit into `height_max` is cut off. Above 0,
    `box_opacity` puts the text, centred, on a black box that is a little larger; at 0, the text
    begins at the side where its script begins, on a ground of the full width.
    """

    width: int
    height_max: int
    font_pixels: int
    colour: tuple[int, int, int]
    box_opacity: float = 0.0


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

    async def measure_reference(self, data: bytes) -> Size:
        """Read the size of a reference image from its header; pixels are not decoded.

        Raises:
            InvalidReference: the format is not supported, or the size is out of range.
        """
        ...

    async def prepare_reference(self, data: bytes) -> ReferenceImage:
        """Decode a reference image to its last pixel, and convert it to what models accept.

        An image that needs no change keeps its bytes.

        Raises:
            InvalidReference: the format is not supported, it can't be decoded, or has a wrong size.
        """
        ...

    async def convert_to_png(self, data: bytes, name: str) -> PngImage:
        """Decode a picture to its last pixel, and return it as a PNG, upright, in its size.

        A PNG that needs no change keeps its bytes. Errors call the picture `name`.

        Raises:
            InvalidReference: the format is not supported, it can't be decoded, or has a wrong size.
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

    async def encode(self, png: bytes, kind: ImageKind, quality: int) -> bytes:
        """Encode as JPEG or WebP, in a quality from 0 to 100; a PNG is returned as it is.

        Raises:
            DamagedImage: the bytes can't be decoded.
        """
        ...

    async def draw_text(self, text: str, look: TextLook) -> PngImage:
        """Draw text in any script on a transparent ground.

        A character that no font has is a small box with its code.
        """
        ...
