"""DashScope providers on the sandbox or on a test server, and requests to send."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from stills.contract.generation import ProviderRequest
from stills.contract.size import Size
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import DashScope, connect
from stills.sandbox import Sandbox

KEY = "sk-sandbox-QZ7recognisable0key9SUFFIX"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def key() -> str:
    """A key that is easy to find in the wrong place."""
    return KEY


@pytest.fixture
def provider_request() -> Callable[..., ProviderRequest]:
    """Make a request with any of its fields changed."""

    def make(text: str = "a red kite", **fields: Any) -> ProviderRequest:
        facts = {
            "model": "qwen-image-max",
            "negative_prompt": None,
            "size": Size(1328, 1328),
            "seed": 7,
            "prompt_extend": True,
            "watermark": False,
        }
        return ProviderRequest(text=text, **{**facts, **fields})

    return make


@pytest.fixture
async def make_provider() -> AsyncIterator[Callable[..., Awaitable[DashScope]]]:
    """Make providers that are closed after the test."""
    async with AsyncExitStack() as stack:

        async def make(base_url: str, *, key: str = KEY, has_live_links: bool = True) -> DashScope:
            provider = await connect(
                Credentials(ProviderKey(key), base_url), has_live_links=has_live_links
            )
            stack.push_async_callback(provider.close)
            return provider

        yield make


@pytest.fixture
async def provider(make_provider: Callable[..., Awaitable[DashScope]], sandbox: Sandbox):
    """A provider on the sandbox."""
    return await make_provider(sandbox.base_url)


@dataclass
class Service:
    """A server that passes every request to one handler, and records them."""

    origin: str = ""
    requests: list[web.BaseRequest] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[Service]]]:
    """Start servers on free local ports."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> Service:
            service = Service()

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                service.requests.append(request)
                return await handler(request)

            runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.05)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            service.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            return service

        yield start


@pytest.fixture
def answering(serve) -> Callable[..., Awaitable[Service]]:
    """Start a server with a fixed answer: bytes, or an object as JSON."""

    async def start(body: Any, *, status: int = 200, **headers: str) -> Service:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }

        async def handle(request: web.BaseRequest) -> web.Response:
            await request.read()
            return web.Response(body=data, status=status, headers=given)

        return await serve(handle)

    return start


@pytest.fixture
def skip_time(monkeypatch):
    """Move the event loop's clock ahead once something is true, whatever the machine's speed."""

    async def skip(seconds: float, *, once: Callable[[], object]) -> None:
        while not once():
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + seconds)

    return skip
