"""How many pixels may be worked on at once, so that memory is bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PIXELS_AT_ONCE = 2 * 4096 * 4096
"""Two images of the largest size, or 16 of 1920*1080."""


class PixelBudget:
    """Lets through whoever fits in, in the order they come; to be used on one event loop."""

    def __init__(self, pixels: int = PIXELS_AT_ONCE) -> None:
        self._all = self._free = pixels
        self._turn = asyncio.Lock()  # the first in line waits for room, the others for the first
        self._room = asyncio.Event()

    @asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        """Wait for room for `pixels`, and keep it; what is larger than all there is gets all."""
        pixels = min(pixels, self._all)
        async with self._turn:
            while self._free < pixels:
                self._room.clear()
                await self._room.wait()
            self._free -= pixels
        try:
            yield
        finally:
            self._free += pixels
            self._room.set()
