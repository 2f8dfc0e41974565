"""A deadline, which everyone who waits for the same image shares."""

import asyncio

import pytest

from stills.contract.errors import Billing
from stills.contract.generation import Stage
from stills.pipeline.context import Deadline


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_deadline_only_moves_later():
    """The most patient caller decides."""
    at = now() + 60
    deadline = Deadline(at)
    deadline.extend(at - 30)
    assert deadline.at == at
    deadline.extend(at + 30)
    assert deadline.at == at + 30


async def test_a_deadline_that_moves_does_not_cancel():
    """Another caller joined who waits longer."""
    deadline = Deadline(now() + 0.05)
    async with deadline.hold():
        deadline.extend(now() + 60)
        await asyncio.sleep(0.1)


async def test_a_deadline_that_has_passed_does_not_move():
    """A caller who joins too late starts again with its own deadline."""
    at = now() - 1
    deadline = Deadline(at)

    async def extend_too_late() -> None:
        async with deadline.hold():
            try:
                await asyncio.sleep(60)
            finally:
                deadline.extend(now() + 60)

    with pytest.raises(TimeoutError):
        await extend_too_late()
    assert deadline.at == at
    assert deadline.remaining_seconds == 0.0


async def test_a_deadline_can_move_after_its_work_has_ended():
    """A caller may join at the same moment."""
    at = now() + 60
    deadline = Deadline(at)
    async with deadline.hold():
        pass
    deadline.extend(at + 60)
    assert deadline.at == at + 60
    assert 60 < deadline.remaining_seconds <= 120


async def test_a_deadline_s_billing_is_that_of_the_shared_work():
    """Not of the caller, who only waits."""
    own, shared = Deadline(now()), Deadline(now())
    shared.reached = Stage.SENT
    assert own.exceeded(1.0).billing is Billing.NONE
    own.joined = shared
    assert own.exceeded(1.0).billing is Billing.POSSIBLE


async def test_a_deadline_says_whether_the_image_is_stored_already():
    """Only then was it cancelled while scaling, so the retry is free."""
    deadline = Deadline(now())
    assert deadline.exceeded(1.0).message == "no image within 1 s"
    deadline.stored = True
    assert deadline.exceeded(1.0).message.startswith("the image is stored")
