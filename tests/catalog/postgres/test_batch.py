"""Batches: whose error is whose, and what a caller that gives up leaves."""

import asyncio

import pytest

from stills.catalog.postgres.batch import Batch
from stills.contract.errors import CatalogError


class Steps:
    """Records the batches; the item `bad` fails, and `gone` fails as a lost connection does."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_run = asyncio.Event()
        self.batch = Batch(self._run, lambda error: "gone" in str(error))

    async def _run(self, items):
        self.batches.append(list(items))
        await self.may_run.wait()
        for failing in ("bad", "gone"):
            if failing in items:
                raise CatalogError(failing)
        return [item.upper() for item in items]

    async def add(self, *items: str):
        """Add a first item, which occupies the batch, and then all items together."""
        first = asyncio.create_task(self.batch.add("first"))
        while not self.batches:
            await asyncio.sleep(0)
        added = [asyncio.create_task(self.batch.add(item)) for item in items]
        await asyncio.sleep(0)
        self.may_run.set()
        return (await asyncio.gather(first, *added, return_exceptions=True))[1:]


async def test_callers_that_wait_share_a_batch():
    """Each gets its own result."""
    steps = Steps()
    assert await steps.add("a", "b", "c") == ["A", "B", "C"]
    assert steps.batches == [["first"], ["a", "b", "c"]]


async def test_an_item_that_fails_fails_only_its_caller():
    """The others run again without it."""
    steps = Steps()
    a, bad, c = await steps.add("a", "bad", "c")
    assert (a, c) == ("A", "C")
    assert isinstance(bad, CatalogError)


async def test_nothing_runs_again_after_a_lost_connection():
    """The batch may have been committed."""
    steps = Steps()
    errors = await steps.add("a", "gone", "c")
    assert [str(error) for error in errors] == ["gone"] * 3
    assert steps.batches == [["first"], ["a", "gone", "c"]]


async def test_a_caller_that_is_cancelled_waits_for_its_item():
    """What it does next finds the item done."""
    steps = Steps()
    caller = asyncio.create_task(steps.batch.add("a"))
    while not steps.batches:
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    steps.may_run.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await steps.batch.finish()


def test_an_event_loop_that_ends_does_not_wait_for_a_batch():
    """A program that returns without closing its catalog ends."""

    async def run(items: list[int]) -> list[int]:
        await asyncio.sleep(3600)
        return items

    async def leave() -> list[asyncio.Task[int]]:
        batch = Batch(run, lambda _: True)
        adding = [asyncio.create_task(batch.add(1))]
        await asyncio.sleep(0)  # the first batch has one item, and the others wait
        adding += [asyncio.create_task(batch.add(number)) for number in (2, 3)]
        await asyncio.sleep(0)
        return adding

    assert all(task.cancelled() for task in asyncio.run(leave()))
