"""`stills mcp`: the MCP server for the client that starts this process."""

import argparse
import asyncio
import os
import signal
from contextlib import suppress

from stills.app import Stills
from stills.contract.errors import MissingKey
from stills.mcp.relay import run_behind_relay

_GRACE_SECONDS = 60.0


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    return run_behind_relay(lambda life: asyncio.run(_serve(life, sandbox=options.sandbox)))


def _open(*, sandbox: bool) -> Stills:
    """Open Stills, even without a key: an agent reads tool errors, not standard error."""
    try:
        return Stills.from_env(sandbox=sandbox)
    except MissingKey:
        return Stills.from_catalog()


async def _serve(life: int | None, *, sandbox: bool) -> int:
    """Serve until the client leaves or a signal arrives; then only finish what was sent.

    `life` ends when the relay is gone. More signals change nothing, because some clients send
    several when they exit, and what was sent is paid for.
    """
    loop = asyncio.get_running_loop()
    ended, stop = asyncio.Event(), asyncio.Event()
    with suppress(NotImplementedError):  # not on Windows
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    if life is not None:

        def end() -> None:
            loop.remove_reader(life)
            ended.set()

        loop.add_reader(life, end)
    from stills.mcp.stdio import serve_stdio  # noqa: PLC0415 - the relay starts without it

    async with _open(sandbox=sandbox) as stills:
        serving = asyncio.create_task(serve_stdio(stills, stop))
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stop.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(stills.deadline_seconds + _GRACE_SECONDS):
                await stills.drain()
    if not serving.done():
        os._exit(0)  # nothing else ends the thread that reads standard input
    try:
        await serving
    except* OSError:  # the client has left
        pass
    return 0
