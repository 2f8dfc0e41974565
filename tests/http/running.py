"""A running service, in the process of the test."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from stills.app import Stills
from stills.http.service import make_service
from stills.http.settings import Settings


@contextlib.asynccontextmanager
async def serving(stills: Stills, settings: Settings, **options: Any) -> AsyncIterator[str]:
    """Serve on a free port, with more of uvicorn's options; gives the URL of the host."""
    config = uvicorn.Config(
        make_service(stills, settings),
        lifespan="on",
        log_config=None,
        access_log=False,
        ws="none",
        **options,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server._serve([listening]))
        while not server.started:
            assert not running.done(), "the service did not start"
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running
