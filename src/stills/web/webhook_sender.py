"""The port WebhookSender: https to public addresses, unless private ones are allowed."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from stills.contract.addresses import is_public_address, may_be_public
from stills.web.connector import make_connector
from stills.web.guarded_resolver import GuardedResolver, SystemResolver
from stills.web.proxy import find_proxy

_SECONDS = 15.0
_ACCEPTED = range(200, 300)


class PrivateAddress(OSError):
    """A name of the receiver leads to a private address."""


class PublicWebhookSender:
    """Implements the port WebhookSender."""

    def __init__(self, *, allows_private: bool = False) -> None:
        self._allows_private = allows_private
        self._resolver = SystemResolver()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> str | None:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._send(URL(url), headers, body)
        except TimeoutError:
            return f"no answer within {_SECONDS:g} s"
        except PrivateAddress:
            return "the address is private"
        except (ClientError, OSError, ValueError) as error:
            return f"no connection ({type(error).__name__})"

    async def _send(self, url: URL, headers: Mapping[str, str], body: bytes) -> str | None:
        guard: dict[str, Any] = {}
        proxy = find_proxy(str(url))
        if not self._allows_private:
            # aiohttp doesn't resolve IP addresses, so the resolver would not see them.
            if url.scheme != "https" or not may_be_public(url.raw_host or ""):
                raise PrivateAddress
            guarded = GuardedResolver(self._resolver, is_public_address, PrivateAddress)
            if proxy is None:
                guard["resolver"] = guarded
            else:
                await guarded.resolve(url.raw_host or "", url.port or 0)
        connector = make_connector(proxy, use_dns_cache=False, force_close=True, **guard)
        async with (
            ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None),
                trust_env=False,
            ) as session,
            session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy.http_url if proxy else None,
            ) as answer,
        ):
            accepted = answer.status in _ACCEPTED
            return None if accepted else f"the receiver answered {answer.status}"
