"""What every download of a reference has in common: redirects, its body and its errors."""

from collections.abc import Awaitable, Callable

from aiohttp import (
    BaseConnector,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)
from yarl import URL

from stills.contract.errors import InvalidReference
from stills.web.proxy import Proxy

_REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity"}
_OK = 200
_CHUNK_BYTES = 64 * 1024
_MEGABYTE = 1024 * 1024


Connect = Callable[[URL], Awaitable[ClientSession]]
"""Checks an address and opens a session for it; raises an error if it must not be requested."""


async def download(url: str, connect: Connect, *, max_bytes: int) -> bytes:
    """Download an image, through a few redirects. Every address goes through `connect` first.

    Raises:
        InvalidReference: there is an error instead of it, or it is too large.
        ValueError: it is not a URL, or is redirected to something that is not one.
        Exception: made by `connect`.
    """
    at = _read_url(url)
    for _ in range(_REDIRECTS_MAX + 1):
        async with await connect(at) as session, session.get(at, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                return await _read_body(response, max_bytes)
            at = at.join(_read_url(response.headers.get("Location", "")))
    raise failed(f"is redirected more than {_REDIRECTS_MAX} times")


def _read_url(written: str) -> URL:
    """Parse a URL as aiohttp does; an ASCII URL stays unchanged, because it may be signed.

    Raises:
        ValueError: it is not a URL.
    """
    if not written.isprintable() or " " in written:
        raise ValueError
    return URL(written, encoded=written.isascii())


def open_session(connector: BaseConnector, proxy: Proxy | None) -> ClientSession:
    """Open a session without cookies, a time limit of its own, or anything from the environment.

    Its requests go through `proxy`, for which the connector was made.
    """
    return ClientSession(
        connector=connector,
        proxy=None if proxy is None else proxy.http_url,
        cookie_jar=DummyCookieJar(),
        headers=_HEADERS,
        timeout=ClientTimeout(total=None),  # the caller has the deadline
        auto_decompress=False,
        trust_env=False,
    )


async def _read_body(response: ClientResponse, max_bytes: int) -> bytes:
    """Read the body of an image.

    Raises:
        InvalidReference: there is an error instead of it, or it is too large.
    """
    if response.status != _OK:
        raise failed(f"can't be downloaded: the server returned status {response.status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise failed("is compressed, although the request ruled that out")
    if (response.content_length or 0) > max_bytes:
        raise _too_big(max_bytes)
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        data += chunk
        if len(data) > max_bytes:
            raise _too_big(max_bytes)
    return bytes(data)


def failed(what: str) -> InvalidReference:
    """Make the error of a download that failed; `what` follows the name of the field."""
    return InvalidReference(
        f"reference_image {what}",
        field="reference_image",
        action="Check that its URL opens without a login and has not expired, or send the image "
        "itself; nothing was billed.",
    )


def _too_big(max_bytes: int) -> InvalidReference:
    """Make the error of an image that is too large to be read."""
    return InvalidReference(
        f"reference_image is over the limit of {max_bytes / _MEGABYTE:g} MB",
        field="reference_image",
        action="Scale it down to at most 3072 pixels per side; nothing was billed.",
    )
