"""The service on a real server and a free port, with the sandbox behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Stills
from stills.http.settings import Settings

Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve(make_stills: Callable[..., Awaitable[Stills]]) -> AsyncIterator[Serve]:
    """Start services: workers on the same catalog, each with its own Stills."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> str:
            stills = await make_stills()
            defaults = Settings(model="qwen-image-max", drain_seconds=5.0, key_check_seconds=0.0)
            given = replace(defaults, **settings)
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
