"""The port Downloader: https from public addresses, with limits on time, bytes and redirects."""

import asyncio
import ssl

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorSSLError,
    ClientError,
    ClientSession,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from stills.contract.addresses import is_public_address, may_be_public
from stills.contract.errors import InvalidReference
from stills.web.connector import PROXY_ERRORS
from stills.web.guarded_connector import make_guarded_connector
from stills.web.guarded_resolver import GuardedResolver, SystemResolver
from stills.web.image_response import download, failed, open_session

_HTTPS_PORT = 443


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
        self.resolver = resolver or GuardedResolver(SystemResolver(), is_public_address, refused)
        self._ssl: ssl.SSLContext | bool = True if ssl_context is None else ssl_context
        self.deadline_seconds = deadline_seconds

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await download(url, self._connect, max_bytes=max_bytes)
        except TimeoutError:
            raise failed(f"can't be downloaded within {self.deadline_seconds:g} s") from None
        except ClientConnectorDNSError:
            raise refused() from None  # don't reveal which private names exist
        except (ClientError, OSError, ValueError) as error:
            raise failed(f"can't be downloaded{_reason(error)}") from None

    async def _connect(self, at: URL) -> ClientSession:
        _check(at)
        try:
            connector, proxy = await make_guarded_connector(at, self.resolver, self._ssl)
        except OSError:
            raise refused() from None  # don't reveal which private names exist
        # A new session for each request: nothing carries over from one caller to another.
        return open_session(connector, proxy)


def _reason(error: Exception) -> str:
    """Name a proxy or a certificate as the reason, without addresses of this network."""
    if isinstance(error, ClientConnectorSSLError | ClientConnectorCertificateError):
        return ": the certificate of its server can't be verified"
    if isinstance(error, PROXY_ERRORS):
        return ": the proxy in HTTPS_PROXY or ALL_PROXY could not connect to its server"
    return ""


def _check(url: URL) -> None:
    host = url.raw_host
    if url.scheme != "https" or url.port != _HTTPS_PORT or not host:
        raise refused()
    if not may_be_public(host):
        raise refused()  # aiohttp doesn't resolve IP addresses, so the resolver would not see it


def refused() -> InvalidReference:
    """Make the only error for forbidden addresses; it reveals nothing about the address."""
    return InvalidReference(
        "the URL of reference_image is not allowed",
        field="reference_image",
        action="Use a public https URL, or send the image as a data URL.",
    )
