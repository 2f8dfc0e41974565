"""Connections: a client that keeps the service waiting is cut off, one that waits for it is not."""

import asyncio
import contextlib
import json
import socket

import pytest
from tests.support.running_service import serving

from stills.http import connection
from stills.http.connection import Connection
from stills.http.settings import Settings
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = json.dumps({"prompt": "a red kite", "size": "512*512"}).encode()
POST = b"POST /v1/image.generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
GET = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class ImpatientConnection(Connection):
    """Checks its client often."""

    check_seconds = 0.1


@pytest.fixture
async def port(make_stills, monkeypatch: pytest.MonkeyPatch):
    """A service that does not wait long for a client."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.5)
    monkeypatch.setattr(connection, "BODY_SECONDS", 1.5)
    monkeypatch.setattr(connection, "BODY_BYTES_PER_SECOND", 200)
    settings = Settings(model="qwen-image-max")
    async with serving(await make_stills(), settings, http=ImpatientConnection) as url:
        yield int(url.rpartition(":")[2])


@contextlib.asynccontextmanager
async def connected(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        yield reader, writer
    writer.close()


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    """Send a byte now and then, for ever."""
    with contextlib.suppress(ConnectionError):
        while True:
            for one in text:
                writer.write(bytes([one]))
                await writer.drain()
                await asyncio.sleep(0.05)


async def test_a_silent_client_is_disconnected(port: int):
    """Without a request there is no response."""
    async with connected(port) as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"X-A: b\r\n"),
        (POST + b"Content-Length: 9999\r\n\r\n", b" "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["head", "body", "chunks"],
)
async def test_a_request_that_drips_is_cut_off(
    port: int, sandbox: Sandbox, begun: bytes, more: bytes
):
    """Each byte arrives soon after the last, but the request is not complete in time."""
    async with connected(port) as (reader, writer):
        writer.write(begun)
        dripping = asyncio.create_task(drip(writer, more))
        answer = await reader.read()
        dripping.cancel()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert not sandbox.ledger.generations


async def test_a_body_may_take_long_if_it_is_long(port: int):
    """What keeps coming at a fair rate is waited for."""
    padded = KITE + b" " * 20_000
    async with connected(port) as (reader, writer):
        writer.write(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(padded))
        for start in range(0, len(padded), 1000):
            writer.write(padded[start : start + 1000])
            await writer.drain()
            await asyncio.sleep(0.1)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_waits_for_its_image_is_not_cut_off(port: int, sandbox: Sandbox):
    """However long it takes, and also if it sends the beginning of its next request already."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=3.0))
    async with connected(port) as (reader, writer):
        writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(KITE) + KITE + b"GET /healthz ")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_headers_without_end_are_refused(port: int):
    """They would fill the memory."""
    async with connected(port) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(b"GET /healthz HTTP/1.1\r\nX-A: ")
            for _ in range(30):
                writer.write(b"a" * 10_000)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_an_idle_keep_alive_connection_is_closed(port: int):
    """An empty line may precede a request, but does not start one."""
    async with connected(port) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b'{"status":"ok"}')
        writer.write(b"\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_does_not_read_is_disconnected(
    port: int, monkeypatch: pytest.MonkeyPatch
):
    """Otherwise it could keep a response in memory for ever."""
    lost = asyncio.Event()
    connection_lost = Connection.connection_lost

    def note(self: Connection, error: Exception | None) -> None:
        connection_lost(self, error)
        lost.set()

    monkeypatch.setattr(Connection, "connection_lost", note)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.send(GET * 500)
        async with asyncio.timeout(60):
            await lost.wait()
