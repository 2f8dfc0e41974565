"""The port Imaging on libvips and the standard library."""

import asyncio
from functools import cache

from stills.contract.generation import Chunks, Inspection
from stills.contract.image_kinds import ImageKind
from stills.contract.ports.imaging import PngImage, ReferenceImage, TextLook
from stills.contract.size import Size
from stills.imaging.encode import encode_png
from stills.imaging.fit import fit_png
from stills.imaging.probe import check_pixels, inspect_png
from stills.imaging.thumbnail import thumbnail_jpeg
from stills.imaging.vips import load_vips


@cache
def _warm_up() -> None:
    pixel = load_vips().Image.black(1, 1).pngsave_buffer()
    fit_png(pixel, Size(1, 1))


class VipsImaging:
    """Implements the port Imaging in threads, off the event loop."""

    async def ready(self) -> None:
        await asyncio.to_thread(_warm_up)

    async def inspect(self, png: bytes | Chunks) -> Inspection:
        return await asyncio.to_thread(inspect_png, png)

    async def check_pixels(self, png: bytes | Chunks) -> None:
        await asyncio.to_thread(check_pixels, png)

    async def measure_reference(self, data: bytes) -> Size:
        from stills.imaging.reference import measure_reference  # noqa: PLC0415 - rarely used

        return await asyncio.to_thread(measure_reference, data)

    async def prepare_reference(self, data: bytes) -> ReferenceImage:
        from stills.imaging.reference import prepare_reference  # noqa: PLC0415 - rarely used

        return await asyncio.to_thread(prepare_reference, data)

    async def convert_to_png(self, data: bytes, name: str) -> PngImage:
        from stills.imaging.reference import convert_to_png  # noqa: PLC0415 - rarely used

        return await asyncio.to_thread(convert_to_png, data, name)

    async def fit(self, png: bytes, size: Size) -> bytes:
        return await asyncio.to_thread(fit_png, png, size)

    async def thumbnail(self, png: bytes, side_max_pixels: int) -> bytes:
        return await asyncio.to_thread(thumbnail_jpeg, png, side_max_pixels)

    async def encode(self, png: bytes, kind: ImageKind, quality: int) -> bytes:
        return await asyncio.to_thread(encode_png, png, kind, quality)

    async def draw_text(self, text: str, look: TextLook) -> PngImage:
        from stills.imaging.lettering import draw_text  # noqa: PLC0415 - rarely used

        return await asyncio.to_thread(draw_text, text, look)
