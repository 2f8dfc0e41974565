"""A provider created at its first use, because importing the SDK is slow."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from stills.contract.errors import StillsError
from stills.contract.generation import Chunks, ProviderAnswer, ProviderRequest
from stills.contract.ports.provider import Provider


class DeferredProvider:
    """Implements the port Provider by creating another provider when it is needed.

    `make` pushes what must be closed onto its stack.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[AsyncExitStack], Awaitable[Provider]],
        *,
        account: str = "",
    ) -> None:
        self._name = name
        self._account = account
        self._make = make
        self._made: Provider | None = None
        self._making = asyncio.Lock()
        self._stack = AsyncExitStack()

    @property
    def name(self) -> str:
        return self._name

    @property
    def account(self) -> str:
        return self._account

    async def ready(self) -> None:
        provider = await self._provider()
        await provider.ready()

    async def send(self, request: ProviderRequest, *, timeout_seconds: float) -> ProviderAnswer:
        provider = await self._provider()
        return await provider.send(request, timeout_seconds=timeout_seconds)

    async def create_task(self, request: ProviderRequest, *, timeout_seconds: float) -> str:
        provider = await self._provider()
        return await provider.create_task(request, timeout_seconds=timeout_seconds)

    async def ask_task(
        self, task_id: str, *, model: str, has_reference: bool, timeout_seconds: float
    ) -> ProviderAnswer | StillsError | None:
        provider = await self._provider()
        return await provider.ask_task(
            task_id, model=model, has_reference=has_reference, timeout_seconds=timeout_seconds
        )

    async def download(self, url: str, *, timeout_seconds: float) -> Chunks:
        provider = await self._provider()
        return await provider.download(url, timeout_seconds=timeout_seconds)

    async def list_models(self, *, timeout_seconds: float) -> frozenset[str]:
        provider = await self._provider()
        return await provider.list_models(timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        async with self._making:
            await self._stack.aclose()

    async def _provider(self) -> Provider:
        async with self._making:
            if self._made is None:
                self._made = await self._make(self._stack)
            return self._made
