"""Connections, direct or through a proxy, and what is wrong if there is none."""

from typing import Any

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from stills.web.proxy import Proxy

_PROXY_ACTION = (
    "Check the proxy's address and password in HTTPS_PROXY or ALL_PROXY, or list hosts that need "
    "no proxy in NO_PROXY."
)
_CERTIFICATE_ACTION = (
    "If a proxy or a private CA issued it, set SSL_CERT_FILE to a PEM file with the CA's "
    "certificate."
)


PROXY_ERRORS = (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)
"""The proxy did not connect, so nothing was sent to the service."""


class Connector(aiohttp.TCPConnector):
    """Connects directly or through an HTTP proxy; `connect_seconds` limits each attempt.

    The SDK has only one timeout, for the complete call.
    """

    def __init__(self, *, connect_seconds: float | None = None, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(**options)
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
        return await super().connect(req, traces, timeout)


def make_connector(
    proxy: Proxy | None,
    *,
    connect_seconds: float | None = None,
    **options: Any,  # noqa: ANN401 - aiohttp's
) -> aiohttp.TCPConnector:
    """Make a connector for requests through a proxy, or direct ones.

    `options` are those of aiohttp.TCPConnector. Requests through an HTTP proxy must name it.
    """
    if proxy is None or not proxy.is_socks:
        return Connector(connect_seconds=connect_seconds, **options)
    from stills.web.socks import SocksConnector  # noqa: PLC0415 - an optional dependency

    return SocksConnector(proxy, connect_seconds=connect_seconds, **options)


def explain_failure(error: Exception, proxy: Proxy | None) -> tuple[str, str] | None:
    """Return what is wrong with the proxy or a certificate, and what to do; None if neither."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        reason = getattr(cause, "verify_message", "") or type(cause).__name__
        message = f"the certificate of {error.host} can't be verified ({reason})"
        return message, _CERTIFICATE_ACTION
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"no TLS connection to {error.host} could be made", _CERTIFICATE_ACTION
    if proxy is None or not isinstance(error, PROXY_ERRORS):
        return None
    if isinstance(error, aiohttp.ClientHttpProxyError):
        message = f"the proxy {proxy.shown} refused with status {error.status}"
    else:
        message = f"the proxy {proxy.shown} could not connect"
    return message, _PROXY_ACTION
