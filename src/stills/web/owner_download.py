"""The port Downloader for the user of this machine: https from any address, within limits."""

import asyncio
import ssl

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientSession,
)
from yarl import URL

from stills.web.connector import make_connector
from stills.web.image_response import download, failed, open_session
from stills.web.proxy import find_proxy


class OwnerDownload:
    """Implements the port Downloader for URLs from the user of this machine.

    Private addresses and the proxy from the environment are used, because the user may use them.
    """

    def __init__(
        self, *, ssl_context: ssl.SSLContext | None = None, deadline_seconds: float = 60.0
    ) -> None:
        self._ssl: ssl.SSLContext | bool = True if ssl_context is None else ssl_context
        self.deadline_seconds = deadline_seconds

    async def get(self, url: str, *, max_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await download(url, self._connect, max_bytes=max_bytes)
        except TimeoutError:
            raise failed(f"can't be downloaded within {self.deadline_seconds:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise failed(f"can't be downloaded: {_explain(error)}") from None

    async def _connect(self, at: URL) -> ClientSession:
        if at.scheme != "https" or not at.raw_host:
            raise failed("is redirected to an address that is not https")
        proxy = find_proxy(f"{at.scheme}://{at.raw_authority}")
        connector = make_connector(proxy, force_close=True, ssl=self._ssl)
        return open_session(connector, proxy)


def _explain(error: Exception) -> str:
    """Say why, without the URL, which may be signed."""
    match error:
        case ClientHttpProxyError() | ClientProxyConnectionError():
            return "the proxy in HTTPS_PROXY or ALL_PROXY could not connect"
        case ClientConnectorCertificateError():
            return "its server's certificate is not trusted; SSL_CERT_FILE can name your own CA"
        case ClientConnectorDNSError():
            return "its host name is unknown"
        case ClientConnectorError():
            return f"its server can't be reached ({error.strerror or 'no connection'})"
        case ClientError() | OSError():
            return "the connection broke"
        case _:
            return "it is not a valid URL"
