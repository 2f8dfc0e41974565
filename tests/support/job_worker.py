"""A worker of durable jobs in the test's process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stills.app import Stills
from stills.batch.part_runner import PartRunner
from stills.contract.ports.jobs import WorkOptions


@asynccontextmanager
async def working(stills: Stills) -> AsyncIterator[None]:
    """Work on the jobs of `stills` until the block ends."""
    stop, ready = asyncio.Event(), asyncio.Event()
    runner = PartRunner(stills, concurrency=4)
    options = WorkOptions(stills.provider)
    task = asyncio.create_task(stills.jobs.work(runner, options, stop=stop, ready=ready))
    try:
        await asyncio.wait_for(ready.wait(), 60)
        yield
    finally:
        stop.set()
        await task
