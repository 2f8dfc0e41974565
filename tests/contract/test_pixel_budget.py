"""The pixel budget: never exceeded, first come, first served."""

import asyncio

import pytest

from stills.contract.pixel_budget import PixelBudget


class Work:
    """Work that holds pixels until it is released, and records what has started."""

    def __init__(self, pixels: int) -> None:
        self.budget = PixelBudget(pixels)
        self.begun: list[str] = []

    async def begin(self, name: str, pixels: int, end: asyncio.Event) -> None:
        async with self.budget.hold(pixels):
            self.begun.append(name)
            await end.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_image_that_does_not_fit_waits_in_order():
    """A later, smaller image does not overtake it, so a large one does not wait forever."""
    work = Work(100)
    first, rest = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work.begin("a", 60, first))
        tasks.create_task(work.begin("b", 60, rest))
        tasks.create_task(work.begin("c", 40, rest))
        await settle()
        assert work.begun == ["a"]
        first.set()
        await settle()
        assert work.begun == ["a", "b", "c"]
        rest.set()


async def test_an_image_larger_than_the_budget_is_processed_by_itself():
    """It is not rejected, and does not wait forever."""
    work = Work(100)
    end = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work.begin("huge", 1000, end))
        tasks.create_task(work.begin("small", 1, end))
        await settle()
        assert work.begun == ["huge"]
        end.set()
    assert work.begun == ["huge", "small"]


@pytest.mark.parametrize("given_up", ["a", "b"])
async def test_cancelled_work_frees_its_pixels(given_up: str):
    """Both while it runs and while it waits."""
    work = Work(100)
    never, end = asyncio.Event(), asyncio.Event()
    tasks = {
        name: asyncio.create_task(work.begin(name, 100, never if name == given_up else end))
        for name in ("a", "b", "c")
    }
    await settle()
    tasks.pop(given_up).cancel()
    end.set()
    async with asyncio.timeout(20):
        await asyncio.gather(*tasks.values())
    assert work.begun[-1] == "c"
