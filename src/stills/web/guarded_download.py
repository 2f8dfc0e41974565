"""The port Downloader: https from public addresses, with limits on time, bytes and redirects."""

import asyncio
import ssl

from aiohttp import (
    ClientConnectorDNSError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from stills.contract.addresses import is_public_address, may_be_public
from stills.contract.errors import InvalidReference
from stills.web.guarded_resolver import GuardedResolver, SystemResolver

_HTTPS_PORT = 443
_OK = 200
_REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 64 * 1024
_HEADERS = {"Accept": "image/png, image/jpeg, image/webp", "Accept-Encoding": "identity"}


class GuardedDownload:
    """Implements the port Downloader for URLs from untrusted callers.

    A `resolver`, if given, must reject private addresses itself.
    """

    def __init__(
        self,
        *,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        deadline_seconds: float = 20.0,
    ) -> None:
        self._resolver = resolver or GuardedResolver(SystemResolver(), is_public_address, refused)
        self._ssl: ssl.SSLContext | bool = True if ssl_context is None else ssl_context
        self._deadline_seconds = deadline_seconds

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(self._deadline_seconds), self._session() as session:
                return await _follow(session, url, max_bytes)
        except TimeoutError:
            raise _failed(f"can't be downloaded within {self._deadline_seconds:g} s") from None
        except ClientConnectorDNSError:
            raise refused() from None  # don't reveal which private names exist
        except (ClientError, OSError, ValueError):
            raise _failed("can't be downloaded") from None

    def _session(self) -> ClientSession:
        # A new session for each download: nothing carries over from one caller to another.
        connector = TCPConnector(
            resolver=self._resolver, use_dns_cache=False, force_close=True, ssl=self._ssl
        )
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            headers=_HEADERS,
            timeout=ClientTimeout(total=None),  # get() has the deadline
            auto_decompress=False,
            trust_env=False,
        )


async def _follow(session: ClientSession, url: str, max_bytes: int) -> bytes:
    at = _read_url(url)
    for _ in range(_REDIRECTS_MAX + 1):
        _check(at)
        async with session.get(at, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                return await _read(response, max_bytes)
            at = at.join(_read_url(response.headers.get("Location", "")))
    raise _failed(f"is redirected more than {_REDIRECTS_MAX} times")


def _read_url(written: str) -> URL:
    """Parse a URL as aiohttp does; an ASCII URL stays unchanged, because it may be signed."""
    if not written.isprintable() or " " in written:
        raise ValueError
    return URL(written, encoded=written.isascii())


def _check(url: URL) -> None:
    host = url.raw_host
    if url.scheme != "https" or url.port != _HTTPS_PORT or not host:
        raise refused()
    if not may_be_public(host):
        raise refused()  # aiohttp doesn't resolve IP addresses, so the resolver would not see it


async def _read(response: ClientResponse, max_bytes: int) -> bytes:
    if response.status != _OK:
        raise _failed(f"can't be downloaded: the server returned status {response.status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _failed("is compressed, although the request ruled that out")
    if (response.content_length or 0) > max_bytes:
        raise _too_big(max_bytes)
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        data += chunk
        if len(data) > max_bytes:
            raise _too_big(max_bytes)
    return bytes(data)


def refused() -> InvalidReference:
    """Make the only error for forbidden addresses; it reveals nothing about the address."""
    return InvalidReference(
        "the URL of reference_image is not allowed",
        field="reference_image",
        action="Use a public https URL, or send the image as a data URL.",
    )


def _failed(what: str) -> InvalidReference:
    return InvalidReference(
        f"reference_image {what}",
        field="reference_image",
        action="Check that its URL opens without a login, or send the image as a data URL.",
    )


def _too_big(max_bytes: int) -> InvalidReference:
    return InvalidReference(
        f"reference_image is over the limit of {max_bytes / 1024 / 1024:g} MB",
        field="reference_image",
        action="Scale it down; 2048 pixels per side are enough.",
    )
