"""Resolving host names, and rejecting private addresses."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

_THREADS = 4


class SystemResolver(AbstractResolver):
    """Uses the operating system, in threads of its own, so a slow name delays no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """List the addresses of a name.

        Raises:
            OSError: the name is invalid or has no address.
        """
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except ValueError as error:
            raise OSError(str(error)) from None
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
        """Accept no more names."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Returns the addresses of a name if all of them are allowed; otherwise raises `refused()`.

    Connections go to the checked addresses, because the name is not resolved again. The caller
    closes the inner resolver.
    """

    def __init__(
        self,
        resolver: AbstractResolver,
        allows: Callable[[str], bool],
        refused: Callable[[], Exception],
    ) -> None:
        self._resolver = resolver
        self._allows = allows
        self._refused = refused

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """List the addresses of a name.

        Raises:
            OSError: the name has no address.
            Exception: made by `refused`, if an address is not allowed.
        """
        found = await self._resolver.resolve(host, port, family)
        if not found:
            raise OSError(f"{host} has no address")
        if not all(self._allows(one["host"]) for one in found):
            raise self._refused()
        return found

    async def close(self) -> None:
        """Do nothing: the caller closes the inner resolver."""
