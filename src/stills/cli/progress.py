"""Progress on standard error: a spinner on a terminal, a line every few seconds elsewhere.

A terminal that can't write a line again, such as that of an editor, gets lines too.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from stills.cli.screen import can_redraw
from stills.contract.generation import OnStageOf, Stage

_WORDS = {
    Stage.CLAIMED: "preparing, or waiting for the rate limit",
    Stage.SENT: "waiting for the image",
    Stage.ANSWERED: "downloading",
    Stage.SPOOLED: "downloaded, waiting for the store",
    Stage.KEPT: "stored",
}
_SPINNER_AFTER_SECONDS = 0.3  # longer than an answer from the catalog takes
_REFRESH_SECONDS = 0.2
_LINES_AFTER_SECONDS = 3.0
_LINE_SECONDS = 5.0

Describe = Callable[[], str]
"""Returns the stage and the seconds since the start."""


@asynccontextmanager
async def progress(takes: int = 1) -> AsyncIterator[OnStageOf]:
    """Show stage and seconds while the body runs, unless it ends quickly.

    Of several takes, it shows how many are stored, and the stage of the one that is furthest
    behind.
    """
    started_at = time.monotonic()
    stages: dict[int, Stage] = {}
    changed = asyncio.Event()

    def on_stage(take: int, reached: Stage) -> None:
        if reached in _WORDS:
            stages[take] = reached
        if takes == 1:
            changed.set()

    def describe() -> str:
        return f"{_words(stages.values())}: {time.monotonic() - started_at:.0f} s"

    showing: Coroutine[Any, Any, None]
    showing = _spin(describe) if can_redraw() else _print_lines(describe, changed)
    shown = asyncio.create_task(showing)
    try:
        yield on_stage
    finally:
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)


def _words(stages: Collection[Stage]) -> str:
    shown = [stage for stage in _WORDS if stage in stages]
    if not shown:
        return "waiting for another process to finish this image"
    kept = sum(stage is Stage.KEPT for stage in stages)
    return f"{kept} stored, {_WORDS[shown[0]]}" if 0 < kept < len(stages) else _WORDS[shown[0]]


async def _spin(describe: Describe) -> None:
    await asyncio.sleep(_SPINNER_AFTER_SECONDS)
    from rich.console import Console  # noqa: PLC0415 - as slow as a catalog answer

    with Console(stderr=True).status("") as status:
        while True:
            status.update(describe())
            await asyncio.sleep(_REFRESH_SECONDS)


async def _print_lines(describe: Describe, changed: asyncio.Event) -> None:
    """Print a line at each new stage, and every few seconds in between."""
    await asyncio.sleep(_LINES_AFTER_SECONDS)
    while True:
        changed.clear()
        print(describe(), file=sys.stderr, flush=True)
        try:
            async with asyncio.timeout(_LINE_SECONDS):
                await changed.wait()
        except TimeoutError:
            pass
