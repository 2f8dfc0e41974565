"""Single flight: of many callers in one process who want the same thing, one works."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Flights(Generic[Key, Value]):
    """Owns the tasks that do the work; a caller who gives up does not stop a paid one."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Value]] = {}

    async def join(self, key: Key, work: Callable[[], Awaitable[Value]]) -> tuple[Value, bool]:
        """Give the value of `key` and whether this caller began the work for it."""
        task = self._tasks.get(key)
        begun = task is None
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task), begun

    async def close(self) -> None:
        """Cancel what still flies and wait until it has landed."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # every caller may have left: then nobody else asks for it


async def _run(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()
