"""Do the same with many things, several at once: reads of a store wait more than they work."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

_AT_ONCE = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


async def do_several(
    work: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
) -> list[Result]:
    """Return the result of `work` for each item, in order."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def run(item: Item) -> Result:
        async with at_once:
            return await work(item)

    tasks = [asyncio.create_task(run(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()  # after an error, nothing goes on unseen
        await asyncio.gather(*tasks, return_exceptions=True)
