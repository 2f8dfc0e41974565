"""Connections for URLs of strangers: only to addresses that a resolver allows."""

import ssl
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from stills.web.connector import make_connector
from stills.web.proxy import Proxy, find_proxy


async def make_guarded_connector(
    url: URL, resolver: AbstractResolver | None, tls: ssl.SSLContext | bool
) -> tuple[aiohttp.TCPConnector, Proxy | None]:
    """Make a connector for one request of `url`, and return the proxy that the request must name.

    The caller has checked the host if it is an IP address: aiohttp does not ask `resolver` for it.
    Without a resolver, every name is allowed. Through a proxy, a name must be allowed here as well.
    The proxy may resolve it to another address, but the server there would need a valid certificate
    of that name.

    Raises:
        OSError: a proxy is used, and the name has no address.
        Exception: made by `resolver`, for an address that is not allowed.
    """
    proxy = find_proxy(str(url))
    guard: dict[str, Any] = {}
    if resolver is not None and proxy is None:
        guard = {"resolver": resolver}
    elif resolver is not None:  # the proxy resolves the name, so the connector does not see it
        await resolver.resolve(url.raw_host or "", url.port or 0)
    connector = make_connector(proxy, use_dns_cache=False, force_close=True, ssl=tls, **guard)
    return connector, proxy
