"""Batches: what many callers ask for while the batch before is under way becomes one step."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_ITEMS_MAX = 200


class Batch(Generic[Item, Result]):
    """Runs one batch after another, and returns its own result to each caller."""

    def __init__(self, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._run = run
        self._pending: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Run an item in the next batch, even if the caller is cancelled."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return await future

    async def finish(self) -> None:
        """Wait until all batches are done."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _drain(self) -> None:
        try:
            while self._pending:
                batch = self._pending[:_ITEMS_MAX]
                del self._pending[:_ITEMS_MAX]
                await self._settle(batch)
        finally:
            self._running = None

    async def _settle(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - the callers get it
            if len(batch) > 1:  # one may have failed the others
                for one in batch:
                    await self._settle([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
