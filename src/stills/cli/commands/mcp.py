"""`stills mcp`: the MCP server for the agent that starts this process."""

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
    """Open Stills; without a key as well, for an agent reads tool errors and no standard error."""
    try:
        return Stills.from_env(sandbox=sandbox)
    except MissingKey:
        return Stills.from_catalog()


async def _serve(life: int | None, *, sandbox: bool) -> int:
    """Serve until the client goes or a signal comes; then finish what was sent, and nothing more.

    `life` ends when the relay is gone. Any number of signals means the same: some clients send
    several on their way out, and what was sent is paid for.
    """
    loop = asyncio.get_running_loop()
    ended, stop = asyncio.Event(), asyncio.Event()
    with suppress(NotImplementedError):  # Windows knows no signals on the loop
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    if life is not None:

        def end() -> None:
            loop.remove_reader(life)
            ended.set()

        loop.add_reader(life, end)
    from stills.mcp.stdio import serve_stdio  # noqa: PLC0415 - the relay must start without it

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
        os._exit(0)  # the thread that waits for standard input can't be ended otherwise
    try:
        await serving
    except* OSError:  # the client has left, and its answer can't be written
        pass
    return 0
