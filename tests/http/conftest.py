"""The service on a real server and a free port, with the sandbox behind it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import aiohttp
import pytest
import uvicorn

from stills.app import Stills
from stills.http.service import make_service
from stills.http.settings import Settings

Serve = Callable[..., Awaitable[str]]


@contextlib.asynccontextmanager
async def serving(stills: Stills, settings: Settings) -> AsyncIterator[str]:
    """Serve on a free port; gives the URL of the host."""
    config = uvicorn.Config(
        make_service(stills, settings), lifespan="on", log_config=None, access_log=False, ws="none"
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


@pytest.fixture
async def serve(make_stills: Callable[..., Awaitable[Stills]]) -> AsyncIterator[Serve]:
    """Start services, each a worker with a Stills of its own on the same catalog."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> str:
            stills = await make_stills()
            given = replace(Settings(model="qwen-image-max", drain_seconds=5.0), **settings)
            return await stack.enter_async_context(serving(stills, given))

        yield start


@pytest.fixture
async def url(serve: Serve) -> str:
    """One service."""
    return await serve()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client."""
    async with aiohttp.ClientSession() as session:
        yield session
