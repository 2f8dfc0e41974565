"""A progress spinner on a terminal."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stills.contract.generation import OnStage, Stage

_WORDS = {
    Stage.CLAIMED: "preparing, or waiting for the rate limit",
    Stage.SENT: "waiting for the image",
    Stage.ANSWERED: "downloading",
    Stage.KEPT: "stored",
}
_PATIENCE_SECONDS = 0.3  # longer than an answer from the catalog takes
_REFRESH_SECONDS = 0.2


@asynccontextmanager
async def progress() -> AsyncIterator[OnStage]:
    """Show stage and seconds while the body runs, if standard error is a terminal."""
    stage = "waiting for another process to finish this image"

    def on_stage(reached: Stage) -> None:
        nonlocal stage
        stage = _WORDS.get(reached, stage)

    if not sys.stderr.isatty():
        yield on_stage
        return

    async def show() -> None:
        begun = time.monotonic()
        await asyncio.sleep(_PATIENCE_SECONDS)
        from rich.console import Console  # noqa: PLC0415 - as slow as a catalog answer

        with Console(stderr=True).status("") as status:
            while True:
                status.update(f"{stage} … {time.monotonic() - begun:.0f} s")
                await asyncio.sleep(_REFRESH_SECONDS)

    shown = asyncio.create_task(show())
    try:
        yield on_stage
    finally:
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)
