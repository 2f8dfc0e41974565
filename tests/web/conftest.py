"""A simulated internet: names, public addresses, and TLS servers behind them."""

import asyncio
import ssl
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from stills.contract.addresses import is_public_address
from stills.web import GuardedDownload, GuardedResolver
from stills.web.guarded_download import refused

SERVER = "93.184.215.14"


class Names(AbstractResolver):
    """A name server: each name returns its answers in turn, and then repeats the last one."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    async def resolve(self, host, port=0, family=0):
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise OSError("no such name")
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in addresses
        ]

    async def close(self) -> None: ...


class Roads(AbstractResolver):
    """Connects public addresses that passed the guard to a local server."""

    def __init__(self, guarded: AbstractResolver, port: int) -> None:
        self.guarded = guarded
        self.port = port
        self.passed: list[str] = []

    async def resolve(self, host, port=0, family=0):
        found = await self.guarded.resolve(host, port, family)
        self.passed += [one["host"] for one in found]
        return [{**one, "host": "127.0.0.1", "port": self.port} for one in found]

    async def close(self) -> None: ...


class Internet:
    """Names, a server with handlers by path, and the download under test."""

    def __init__(self, names: Names, roads: Roads, download: GuardedDownload) -> None:
        self.names = names
        self.roads = roads
        self.download = download
        self.pages = {}
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.pages[request.path](request)

    def redirect(self, path: str, location: str) -> None:
        async def page(_):
            return web.Response(status=302, headers={"Location": location, "Set-Cookie": "a=b"})

        self.pages[path] = page

    def serve(self, path: str, body: bytes, **options) -> None:
        async def page(_):
            return web.Response(body=body, **options)

        self.pages[path] = page


@pytest.fixture
async def internet(certificate, monkeypatch):
    """One server for every public address, reached through the guard, without a proxy."""
    monkeypatch.setenv("NO_PROXY", "*")
    made, key = certificate
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(made, key)
    names = Names()
    names.answers["images.example"] = [[SERVER]]
    names.answers["other.example"] = [["2606:4700::1111"]]
    roads = Roads(GuardedResolver(names, is_public_address, refused), port=0)
    download = GuardedDownload(
        resolver=roads,
        ssl_context=ssl.create_default_context(cafile=made),
        deadline_seconds=5.0,
    )
    running = Internet(names, roads, download)
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", running.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving)
        await site.start()
        roads.port = runner.addresses[0][1]
        yield running
    await asyncio.sleep(0)
