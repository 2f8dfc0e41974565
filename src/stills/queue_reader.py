"""Reading a queue in groups: what arrives while one group is handled makes up the next."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def read_waiting(queue: asyncio.Queue[T | None]) -> list[T]:
    """Wait for an item, and return it with all others in the queue.

    None ends the queue: every call after it returns an empty list.
    """
    items: list[T] = []
    item = await queue.get()
    while item is not None:
        items.append(item)
        if queue.empty():
            return items
        item = queue.get_nowait()
    queue.put_nowait(None)  # for the next call
    return items
