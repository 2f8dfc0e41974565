"""The list of steps, and the runner that takes a job through them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stills.pipeline.generate import STEPS, run


def test_the_steps_are_listed_in_order():
    """Each is a function in the file of its name."""
    names = [step.__name__ for step in STEPS]
    assert names == [
        *("plan", "look_up", "check_prompt"),
        *("claim", "send", "fetch", "keep"),
        *("render", "record"),
    ]
    assert [step.__module__ for step in STEPS] == [f"stills.pipeline.{name}" for name in names]


async def add_one(job: int) -> int:
    return job + 1


async def test_each_step_gets_what_the_one_before_returned():
    """The runner returns what the last one returned."""
    assert await run((add_one, add_one), 0) == 2


async def test_a_held_step_ends_after_the_last_and_sees_its_error():
    """So a claim is held while its image is made, and released if that fails."""
    events: list[str] = []

    @asynccontextmanager
    async def hold(job: int) -> AsyncIterator[int]:
        try:
            yield job + 1
        except ZeroDivisionError:
            events.append("failed")
            raise
        finally:
            events.append("released")

    async def note(job: int) -> int:
        events.append("worked")
        return 10 // job

    assert await run((hold, note), 0) == 10
    assert events == ["worked", "released"]
    with pytest.raises(ZeroDivisionError):
        await run((hold, note), -1)
    assert events[2:] == ["worked", "failed", "released"]
