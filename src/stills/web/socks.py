"""Connections through a SOCKS 5 proxy, which resolves names itself; needs the extra `socks`."""

import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

from stills.web.proxy import Proxy

_DEFAULT_PORT = 1080


class SocksConnector(ProxyConnector):  # type: ignore[misc]  # an optional package
    """Connects through a SOCKS proxy; `connect_seconds` limits each attempt."""

    def __init__(
        self,
        proxy: Proxy,
        *,
        connect_seconds: float | None = None,
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> None:
        parts = urlsplit(proxy.url)
        super().__init__(
            host=parts.hostname or "",
            port=parts.port or _DEFAULT_PORT,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            rdns=True,
            **options,
        )
        self._patience = connect_seconds

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> Connection:
        """Connect for a request."""
        if self._patience is not None:
            timeout = aiohttp.ClientTimeout(connect=self._patience)
        try:
            made: Connection = await super().connect(req, traces, timeout)
        except (ProxyConnectionError, ProxyError, ProxyTimeoutError) as error:
            unreachable = OSError(0, type(error).__name__)
            raise aiohttp.ClientProxyConnectionError(req.connection_key, unreachable) from error
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        return made
