"""Names to addresses, public ones only."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

from stills.contract.errors import InvalidReference
from stills.web.addresses import is_public

_THREADS = 4


class SystemResolver(AbstractResolver):
    """Asks the operating system, in threads of its own: a slow name holds up no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """List the addresses of a name.

        Raises:
            OSError: it has none.
            ValueError: it can be no name.
        """
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Stop taking names."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Gives the addresses of a name if all of them are public.

    The connection is made to what was checked here, for nobody resolves the name a second time.
    """

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """List the addresses of a name.

        Raises:
            InvalidReference: it has none, or one of them is not public.
        """
        try:
            found = await self._resolver.resolve(host, port, family)
        except (OSError, ValueError):
            found = []  # said as if it were private: nobody learns which private names there are
        if not found or not all(is_public(one["host"]) for one in found):
            raise refused()
        return found

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._resolver.close()


def refused() -> InvalidReference:
    """Make the one error for all that may not be fetched: it tells nothing about the address."""
    return InvalidReference(
        "the address of reference_image may not be fetched",
        field="reference_image",
        action="Give an https URL that is open to the internet, or the image as a data URL.",
    )
