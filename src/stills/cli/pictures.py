"""Pictures for commands that block: images scaled down, and drawn text."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from stills.app import Stills
from stills.contract.ports.imaging import PngImage, TextLook


class BlockingPictures:
    """The port `Pictures` of hand-overs, on an open Stills."""

    def __init__(self, runner: asyncio.Runner, stills: Stills) -> None:
        self._runner = runner
        self._stills = stills

    def scale_down(self, png: bytes, side_max_pixels: int) -> bytes:
        """Return a PNG as a JPEG that fits into a square."""
        return self._runner.run(
            self._stills.images.scale_down(png, side_max_pixels=side_max_pixels)
        )

    def draw_text(self, text: str, look: TextLook) -> PngImage:
        """Draw text on a transparent ground."""
        return self._runner.run(self._stills.images.draw_text(text, look))


@contextmanager
def open_pictures() -> Iterator[BlockingPictures]:
    """Open Stills without an API key, for the duration of the body."""
    with asyncio.Runner() as runner:
        stills = runner.run(_open())
        try:
            yield BlockingPictures(runner, stills)
        finally:
            runner.run(stills.close())


async def _open() -> Stills:
    return Stills.from_catalog()
