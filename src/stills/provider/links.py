"""Downloading the images that answers link to.

An answer may be forged, so its link gets the same checks as a reference from an untrusted caller.
It may point into a private network only if the service itself is in one, like a local sandbox, and
never to the metadata of a cloud machine.
"""

import asyncio
import ssl
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from stills.contract.addresses import is_metadata_address, is_public_address, may_be_public
from stills.contract.errors import Billing, LinkDead
from stills.contract.generation import Chunks
from stills.provider.body_limit import BodyTooLarge, read_up_to
from stills.web import (
    GuardedResolver,
    Proxy,
    SystemResolver,
    explain_failure,
    find_proxy,
    make_connector,
)

IMAGE_MAX_BYTES = 64 * 1024 * 1024  # an image of the largest size is under 20 MiB
_STALL_SECONDS = 30.0


class ImageLinks:
    """Downloads images that answers of the service at `base_url` link to."""

    def __init__(
        self, base_url: str, tls: ssl.SSLContext, *, resolver: AbstractResolver | None = None
    ) -> None:
        self._service_url = base_url
        self._service_host = urlsplit(base_url).hostname or ""
        self._tls = tls
        self.resolver = resolver or SystemResolver()
        self._service_is_private: bool | None = None
        self._sessions: dict[Proxy | None, aiohttp.ClientSession] = {}

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        """Download the image behind a link.

        Raises:
            LinkDead: it returns no image, or not in time, or must not be followed.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_read=_STALL_SECONDS)
        proxy = None
        try:
            link = _read(url)
            proxy = find_proxy(url)
            async with asyncio.timeout(timeout_seconds):
                await self._look_up_service()
            if not self._allows_host(link.raw_host or ""):
                raise _is_private()
            # Redirects are not followed, because the service's storage sends none.
            async with self._session(proxy).get(
                link,
                timeout=timeout,
                allow_redirects=False,
                proxy=proxy.http_url if proxy else None,
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise LinkDead(
                        f"the image's link returned status {response.status}",
                        billing=Billing.BILLED,
                    )
                return await read_up_to(response, IMAGE_MAX_BYTES)
        except BodyTooLarge:
            raise LinkDead(
                f"the image is over {IMAGE_MAX_BYTES // 1024 // 1024} MiB",
                billing=Billing.BILLED,
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            explained = explain_failure(error, proxy)
            if explained is not None:
                message, action = explained
                raise LinkDead(
                    f"the image was not downloaded: {message}",
                    action=f"{action} A retry downloads it free of charge.",
                    billing=Billing.BILLED,
                ) from error
            reason = "timed out" if isinstance(error, TimeoutError) else "was interrupted"
            raise LinkDead(
                f"the image's download {reason} ({type(error).__name__})", billing=Billing.BILLED
            ) from error

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        await self.resolver.close()

    def _allows_host(self, host: str) -> bool:
        """Return whether a link's host is allowed; the addresses of a name are checked later."""
        return may_be_public(host) or self._allows_address(host)

    def _allows_address(self, address: str) -> bool:
        if self._service_is_private:
            return not is_metadata_address(address)
        return is_public_address(address)

    async def _look_up_service(self) -> None:
        """Find out whether the service itself is local or in a private network."""
        if self._service_is_private is not None:
            return
        if not may_be_public(self._service_host):
            self._service_is_private = True
        elif find_proxy(self._service_url) is not None:
            self._service_is_private = False  # only the proxy resolves its name
        else:
            with suppress(OSError):  # unknown so far: only public links are followed
                found = await self.resolver.resolve(self._service_host)
                public = all(is_public_address(one["host"]) for one in found)
                self._service_is_private = not public

    def _session(self, proxy: Proxy | None) -> aiohttp.ClientSession:
        if proxy not in self._sessions:
            resolving: dict[str, Any] = {}
            # The user chose the proxy, so it may be anywhere; it resolves the link's host itself.
            if proxy is None:
                guarded = GuardedResolver(self.resolver, self._allows_address, _is_private)
                resolving = {"resolver": guarded, "use_dns_cache": False}
            connector = make_connector(proxy, ssl=self._tls, limit=0, **resolving)
            self._sessions[proxy] = aiohttp.ClientSession(connector=connector)
        return self._sessions[proxy]


def _read(url: str) -> URL:
    """Parse a link as aiohttp does, so that the check applies to the request.

    Raises:
        LinkDead: it is not an http(s) URL.
    """
    try:
        link = URL(url)
    except ValueError:
        link = URL()
    if link.scheme not in {"http", "https"} or not link.raw_host:
        raise LinkDead("the image's link is not an http(s) URL", billing=Billing.BILLED)
    return link


def _is_private() -> LinkDead:
    return LinkDead(
        "the image's link points into a private network, so it was not followed",
        action="Check DASHSCOPE_HTTP_BASE_URL: DashScope does not send such links.",
        billing=Billing.BILLED,
    )
