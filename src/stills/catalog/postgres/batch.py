"""Batches: what many callers ask for while the batch before is under way becomes one step."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from stills.contract.errors import StillsError

Item = TypeVar("Item")
Result = TypeVar("Result")

_ITEMS_MAX = 200


class Batch(Generic[Item, Result]):
    """Runs one batch after another, and returns its own result to each caller.

    The items of a batch that failed run again one by one, unless the error is of all of them.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        is_of_all: Callable[[Exception], bool],
    ) -> None:
        self._run = run
        self._is_of_all = is_of_all
        self._pending: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Run an item in the next batch, to its end even if the caller is cancelled."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})  # what the caller does next must find this done
            raise

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
        except asyncio.CancelledError:  # the event loop ends, and nothing runs any more
            pending, self._pending = self._pending, []
            _cancel(pending)
            raise
        finally:
            self._running = None

    async def _settle(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except asyncio.CancelledError:
            _cancel(batch)
            raise
        except Exception as error:  # noqa: BLE001 - the callers get it
            if len(batch) > 1 and not self._is_of_all(error):
                for one in batch:
                    await self._settle([one])
                return
            for _, future in batch:
                future.set_exception(error.with_() if isinstance(error, StillsError) else error)
                future.exception()  # a cancelled caller doesn't take it
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)


def _cancel(batch: Sequence[tuple[Any, "asyncio.Future[Any]"]]) -> None:
    for _, future in batch:
        future.cancel()
