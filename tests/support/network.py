"""A private network: a CA, a TLS server, and real HTTP and SOCKS proxies in front of it."""

import asyncio
import base64
import ipaddress
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_NAMES = ("service.example", "images.example", "references.example")


@dataclass(frozen=True)
class PrivateCa:
    """A CA that only this test knows, and a server's certificate that it has issued."""

    certificate: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context


def make_ca(folder: Path) -> PrivateCa:
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    chain, key = folder / "server.pem", folder / "server.key"
    names = ",".join(f"DNS:{name}" for name in _NAMES)
    _openssl("-subj", "/CN=private CA", "-keyout", str(ca_key), "-out", str(ca))
    _openssl(
        *("-subj", "/CN=server", "-keyout", str(key), "-out", str(chain)),
        *("-CA", str(ca), "-CAkey", str(ca_key), "-addext", f"subjectAltName={names}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
    )
    return PrivateCa(ca, chain, key)


def _openssl(*options: str) -> None:
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    subprocess.run([*new, *options], check=True, capture_output=True)


@dataclass
class ProxyServer:
    """A proxy that connects every name to one local port, and records what it was asked for.

    It wants `login`, if set, as `user:password`. `refuses` makes it refuse every connection.
    """

    scheme: str
    to_port: int
    login: str | None = None
    refuses: bool = False
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        login = "" if self.login is None else f"{self.login}@"
        return f"{self.scheme}://{login}127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        answer = self._answer_http if self.scheme == "http" else self._answer_socks
        with suppress(OSError, asyncio.IncompleteReadError):
            try:
                if await answer(reader, writer):
                    there = await asyncio.open_connection("127.0.0.1", self.to_port)
                    await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
            finally:
                await _close(writer)

    async def _answer_http(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        assert method == "CONNECT"
        self.asked.append(target)
        if self.login is not None:
            login = base64.b64encode(self.login.encode()).decode()
            if f"Proxy-Authorization: Basic {login}" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return False
        status = b"403 Forbidden" if self.refuses else b"200 Connected"
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        return not self.refuses

    async def _answer_socks(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 0 if self.login is None else 2
        if wanted not in methods:
            writer.write(b"\x05\xff")
            return False
        writer.write(bytes([5, wanted]))
        if self.login is not None:
            await reader.readexactly(1)
            user, password = [await _read_text(reader) for _ in range(2)]
            writer.write(bytes([1, f"{user}:{password}" != self.login]))
        _, _, _, kind = await reader.readexactly(4)
        host = (
            await _read_text(reader)
            if kind == 3  # a name, which the proxy resolves
            else str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        )
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{host}:{port}")
        writer.write(bytes([5, 2 if self.refuses else 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        return not self.refuses


async def _read_text(reader: asyncio.StreamReader) -> str:
    (length,) = await reader.readexactly(1)
    return (await reader.readexactly(length)).decode()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
