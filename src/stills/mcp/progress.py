"""Stages as progress notifications, and a sign of life in between."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from stills.contract.generation import Stage

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one notification: how far it is, of how much, and words."""

OnPlace = Callable[[Stage, int], None]
"""Told each stage that is reached, and the position in the line, where there is one; else 0."""

_WORDS = {
    Stage.CLAIMED: "preparing, or waiting for the rate limit",
    Stage.SENT: "sent; waiting for the image",
    Stage.ANSWERED: "answered; downloading",
    Stage.SPOOLED: "downloaded; the store does not take it yet",
    Stage.KEPT: "kept",
    Stage.FAILED: "failed",
}
_SILENCE_SECONDS = 5.0  # clients that wait for a minute at most are reset by each notification
_LAST_WORDS_SECONDS = 2.0


@asynccontextmanager
async def progress(report: Report) -> AsyncIterator[OnPlace]:
    """Report stages and places in the line while the body runs; the growing number is seconds."""
    places: asyncio.Queue[tuple[Stage, int] | None] = asyncio.Queue()
    telling = asyncio.create_task(_tell(report, places))
    try:
        yield lambda stage, position: places.put_nowait((stage, position))
        places.put_nowait(None)
        await asyncio.wait({telling}, timeout=_LAST_WORDS_SECONDS)
    finally:
        telling.cancel()
        with anyio.CancelScope(shield=True):
            # A client that is gone can't be told; the image does not depend on it.
            await asyncio.gather(telling, return_exceptions=True)


async def _tell(report: Report, places: "asyncio.Queue[tuple[Stage, int] | None]") -> None:
    began, told = time.monotonic(), 0.0
    words = "looking it up"
    while True:
        try:
            place = await asyncio.wait_for(places.get(), _SILENCE_SECONDS)
        except TimeoutError:
            pass
        else:
            if place is None:
                return
            stage, position = place
            words = _WORDS[stage]
            if position > 1:
                words += f", number {position} in the line"
        told = max(round(time.monotonic() - began, 3), told + 0.001)
        await report(told, None, f"{words} ({told:.0f} s)")
