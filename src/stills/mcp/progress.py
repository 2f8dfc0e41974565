"""Stages as progress notifications, repeated while nothing happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from stills.contract.generation import Stage
from stills.service.progress import OnProgress

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one notification: progress, total and message."""

KEEP_ALIVE_SECONDS = 5.0
"""Clients that wait for at most a minute start over with each notification."""

_MESSAGES = {
    Stage.CLAIMED: "preparing, or waiting for the rate limit",
    Stage.SENT: "sent; waiting for the image",
    Stage.ANSWERED: "answered; downloading",
    Stage.SPOOLED: "downloaded; waiting for the store",
    Stage.KEPT: "stored",
    Stage.FAILED: "failed",
}
_LAST_REPORT_SECONDS = 2.0


@asynccontextmanager
async def report_progress(
    report: Report, *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS
) -> AsyncIterator[OnProgress]:
    """Report stages and positions in the queue while the body runs; the progress is seconds."""
    steps: asyncio.Queue[tuple[Stage, int] | None] = asyncio.Queue()
    reporting = asyncio.create_task(_report_all(report, steps, keep_alive_seconds))
    try:
        yield lambda stage, position: steps.put_nowait((stage, position))
        steps.put_nowait(None)
        await asyncio.wait({reporting}, timeout=_LAST_REPORT_SECONDS)
    finally:
        reporting.cancel()
        with anyio.CancelScope(shield=True):
            # The client may have left; the image does not depend on it.
            await asyncio.gather(reporting, return_exceptions=True)


async def _report_all(
    report: Report,
    steps: "asyncio.Queue[tuple[Stage, int] | None]",
    keep_alive_seconds: float,
) -> None:
    started_at, seconds = time.monotonic(), 0.0
    message = "looking it up"
    while True:
        try:
            step = await asyncio.wait_for(steps.get(), keep_alive_seconds)
        except TimeoutError:
            pass
        else:
            if step is None:
                return
            stage, position = step
            message = _MESSAGES[stage]
            if position > 1:
                message += f", number {position} in the queue"
        seconds = max(round(time.monotonic() - started_at, 3), seconds + 0.001)
        await report(seconds, None, f"{message} ({seconds:.0f} s)")
