"""Reading a queue in groups."""

import asyncio

from stills.queue_reader import read_waiting


async def test_all_waiting_items_are_read_together():
    """Later items come with the next call."""
    queue = asyncio.Queue()
    for item in (1, 2):
        queue.put_nowait(item)
    assert await read_waiting(queue) == [1, 2]
    queue.put_nowait(3)
    assert await read_waiting(queue) == [3]


async def test_an_empty_queue_is_waited_for():
    """The call returns once an item arrives."""
    queue = asyncio.Queue()
    reading = asyncio.create_task(read_waiting(queue))
    await asyncio.sleep(0)
    assert not reading.done()
    queue.put_nowait("late")
    assert await reading == ["late"]


async def test_none_ends_the_queue():
    """Items before it are returned first; a full queue works, too."""
    queue = asyncio.Queue(2)
    for item in ("last", None):
        queue.put_nowait(item)
    assert await read_waiting(queue) == ["last"]
    assert await read_waiting(queue) == []
    assert await read_waiting(queue) == []
