"""A limit on the pixels that are processed at once, so that memory is bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PIXELS_AT_ONCE = 2 * 4096 * 4096
"""Two images of 4096*4096, or 16 of 1920*1080."""


class PixelBudget:
    """Admits images while they fit, first come, first served; for use on one event loop."""

    def __init__(self, pixels: int = PIXELS_AT_ONCE) -> None:
        self._all = self._free = pixels
        self._next = asyncio.Lock()  # its holder waits for room, and the others wait for its holder
        self._room = asyncio.Event()

    @asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        """Wait until `pixels` are free and hold them; a larger image than the budget holds all."""
        pixels = min(pixels, self._all)
        async with self._next:
            while self._free < pixels:
                self._room.clear()
                await self._room.wait()
            self._free -= pixels
        try:
            yield
        finally:
            self._free += pixels
            self._room.set()
