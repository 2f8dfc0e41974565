"""A provider made at its first use, since importing the SDK takes longer than a catalog answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from stills.contract.generation import Chunks, ProviderAnswer, ProviderRequest
from stills.contract.ports import Provider


class DeferredProvider:
    """Implements the Provider port by making another one when it is needed.

    `make` enters what must be closed again into the stack it is given.
    """

    def __init__(self, name: str, make: Callable[[AsyncExitStack], Awaitable[Provider]]) -> None:
        self._name = name
        self._make = make
        self._made: Provider | None = None
        self._making = asyncio.Lock()
        self._stack = AsyncExitStack()

    @property
    def name(self) -> str:
        """The name of the provider that will be made."""
        return self._name

    async def ready(self) -> None:
        """Make the provider, if it is not made yet."""
        provider = await self._provider()
        await provider.ready()

    async def send(self, order: ProviderRequest, *, timeout_seconds: float) -> ProviderAnswer:
        """Send one order over the wire exactly once."""
        provider = await self._provider()
        return await provider.send(order, timeout_seconds=timeout_seconds)

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        """Read the image behind an answer's URL."""
        provider = await self._provider()
        return await provider.download(url, timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        """Close the provider, if it was ever made."""
        async with self._making:
            await self._stack.aclose()

    async def _provider(self) -> Provider:
        async with self._making:
            if self._made is None:
                self._made = await self._make(self._stack)
            return self._made
