"""How a batch ends: by itself, or by Ctrl-C, once or twice."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from stills.batch.tally import Tally
from stills.contract.errors import StillsError

_WRITING = "stills: all that was sent is finished; what became of it is being written."
_LET_FINISH = "stills: finishing what was sent; Ctrl-C again stops now."


@dataclass(frozen=True, slots=True)
class Ending:
    """Where everything lies, and how far it came; `interrupts` counts Ctrl-C.

    `price_usd` is that of an image, None where it is unknown.
    """

    folder: Path
    tally: Tally
    stopped_by: StillsError | None
    interrupts: int
    price_usd: float | None


async def until_interrupted(
    draw: Callable[[], Awaitable[None]], note_pending: Callable[[], None], stop: asyncio.Event
) -> int:
    """Draw; the first Ctrl-C sets `stop`, the second cancels. Gives how many there were.

    However that ends, the shots that were not reached are noted. One that comes later, until the
    loop is closed, stops nothing: the manifest is still to be written, and the ending to be told.
    """
    loop = asyncio.get_running_loop()
    drawing = asyncio.ensure_future(draw())
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        if drawing.done():
            print(_WRITING, file=sys.stderr)
            return
        interrupts += 1
        if interrupts == 1:
            stop.set()
            print(_LET_FINISH, file=sys.stderr)
        else:
            drawing.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        await drawing
    except asyncio.CancelledError:
        if not interrupts:  # not ours
            raise
    finally:
        note_pending()
    return interrupts
