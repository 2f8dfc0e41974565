"""`stills mcp`: the MCP door for the agent that starts this process."""

import argparse
import asyncio
import os
import signal
from contextlib import suppress

from stills.app import Stills
from stills.contract.errors import MissingKey
from stills.mcp.stdio import serve_stdio

_GRACE_SECONDS = 60.0


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    asyncio.run(_serve(sandbox=options.sandbox))
    return 0


def _open(*, sandbox: bool) -> Stills:
    """Open Stills; without a key as well, for an agent reads tool errors and no standard error."""
    try:
        return Stills.from_env(sandbox=sandbox)
    except MissingKey:
        return Stills.from_catalog()


async def _serve(*, sandbox: bool) -> None:
    """Serve until the client goes or a signal comes; what was sent is finished, within a limit."""
    signalled = asyncio.Event()
    with suppress(NotImplementedError):  # Windows knows no signals on the loop
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    async with _open(sandbox=sandbox) as stills:
        serving = asyncio.create_task(serve_stdio(stills))
        waiting = asyncio.create_task(signalled.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await stills.drain()
    if not serving.done():
        os._exit(0)  # the thread that waits for standard input can't be ended otherwise
    await serving
