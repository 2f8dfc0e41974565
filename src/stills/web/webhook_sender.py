"""The port WebhookSender: https to public addresses, unless private ones are allowed."""

import asyncio
import ssl
from collections.abc import Mapping

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver
from yarl import URL

from stills.contract.addresses import is_public_address, may_be_public
from stills.web.guarded_connector import make_guarded_connector
from stills.web.guarded_resolver import GuardedResolver, SystemResolver

_SECONDS = 15.0
_ACCEPTED = range(200, 300)


class PrivateAddress(Exception):
    """A name of the receiver leads to a private address."""


class PublicWebhookSender:
    """Implements the port WebhookSender.

    A `resolver`, if given, must reject private addresses itself.
    """

    def __init__(
        self,
        *,
        allows_private: bool = False,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allows_private = allows_private
        if resolver is None and not allows_private:
            resolver = GuardedResolver(SystemResolver(), is_public_address, PrivateAddress)
        self._resolver = resolver
        self._ssl: ssl.SSLContext | bool = True if ssl_context is None else ssl_context

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
        is_public = url.scheme == "https" and may_be_public(url.raw_host or "")
        if not (self._allows_private or is_public):
            raise PrivateAddress
        connector, proxy = await make_guarded_connector(url, self._resolver, self._ssl)
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
