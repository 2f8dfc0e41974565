"""Stages as progress notifications, and a sign of life in between."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from stills.contract.generation import OnStage, Stage

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one notification: how far it is, of how much, and words."""

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
async def progress(report: Report) -> AsyncIterator[OnStage]:
    """Report the stages while the body runs; the number that grows is the seconds."""
    stages: asyncio.Queue[Stage | None] = asyncio.Queue()
    telling = asyncio.create_task(_tell(report, stages))
    try:
        yield stages.put_nowait
        stages.put_nowait(None)
        await asyncio.wait({telling}, timeout=_LAST_WORDS_SECONDS)
    finally:
        telling.cancel()
        with anyio.CancelScope(shield=True):
            # A client that is gone can't be told; the image does not depend on it.
            await asyncio.gather(telling, return_exceptions=True)


async def _tell(report: Report, stages: "asyncio.Queue[Stage | None]") -> None:
    began, told = time.monotonic(), 0.0
    words = "looking it up"
    while True:
        try:
            stage = await asyncio.wait_for(stages.get(), _SILENCE_SECONDS)
        except TimeoutError:
            pass
        else:
            if stage is None:
                return
            words = _WORDS[stage]
        told = max(round(time.monotonic() - began, 3), told + 0.001)
        await report(told, None, f"{words} ({told:.0f} s)")
