"""Single flight: one task works, and every caller gets its value."""

import asyncio
import gc

import pytest

from stills.contract.errors import Billing, ConnectionLost
from stills.pipeline.single_flight import SingleFlight


async def test_many_callers_share_one_task():
    """Exactly one of them began it."""
    flights: SingleFlight[str, object] = SingleFlight()
    runs = 0

    async def work() -> object:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)
        return object()

    answers = await asyncio.gather(*(flights.join("key", work) for _ in range(50)))
    assert runs == 1
    assert len({id(value) for value, _ in answers}) == 1
    assert sum(begun for _, begun in answers) == 1


async def test_a_failure_reaches_every_caller_and_is_forgotten():
    """The next caller tries again."""
    flights: SingleFlight[str, str] = SingleFlight()

    async def fail() -> str:
        await asyncio.sleep(0)
        raise OSError("disk")

    answers = await asyncio.gather(
        flights.join("key", fail), flights.join("key", fail), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [OSError, OSError]

    async def succeed() -> str:
        return "done"

    assert await flights.join("key", succeed) == ("done", True)


async def test_each_caller_gets_its_own_copy_of_an_error():
    """With all attributes, caused by the original."""
    flights: SingleFlight[str, None] = SingleFlight()
    raised = ConnectionLost("cut off", billing=Billing.POSSIBLE, request_id="r-1")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise raised

    errors = await asyncio.gather(
        *(flights.join("key", fail) for _ in range(3)), return_exceptions=True
    )
    assert len({id(error) for error in (raised, *errors)}) == 4
    assert all(type(error) is ConnectionLost for error in errors)
    assert all(vars(error) == vars(raised) for error in errors)
    assert all(error.__cause__ is raised for error in errors)


async def test_a_caller_who_gives_up_does_not_stop_the_work():
    """A client that hangs up does not cancel a paid call."""
    flights: SingleFlight[str, str] = SingleFlight()
    finish = asyncio.Event()

    async def work() -> str:
        await finish.wait()
        return "done"

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flights.join("key", work), 0.01)
    joined = asyncio.create_task(flights.join("key", work))
    await asyncio.sleep(0)
    finish.set()
    assert await joined == ("done", False)


async def test_closing_cancels_calls_and_waits_for_them_to_end():
    """Nothing is left running, and their clean-up is done."""
    flights: SingleFlight[str, None] = SingleFlight()
    started = asyncio.Event()
    landed = False

    async def work() -> None:
        nonlocal landed
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            landed = True

    joined = asyncio.create_task(flights.join("key", work))
    await started.wait()
    await flights.close()
    assert landed
    with pytest.raises(asyncio.CancelledError):
        await joined


async def test_work_that_may_be_abandoned_ends_with_its_last_caller():
    """Not with the first; and a new caller does not join a call that is ending."""
    flights: SingleFlight[str, str] = SingleFlight()

    async def forever() -> str:
        await asyncio.Event().wait()
        return "never"

    async def succeed() -> str:
        return "done"

    callers = [
        asyncio.create_task(flights.join("key", forever, abandon=lambda: True)) for _ in range(2)
    ]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0.01)
    assert len(flights) == 1
    callers[1].cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert await flights.join("key", succeed) == ("done", True)
    await asyncio.sleep(0)
    assert len(flights) == 0


async def test_the_end_of_an_abandoned_call_does_not_end_the_one_that_followed():
    """The next caller joins that one, and asyncio has nothing to log."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    flights: SingleFlight[str, str] = SingleFlight()
    may_end, finish = asyncio.Event(), asyncio.Event()

    async def end_slowly() -> str:
        try:
            return await asyncio.Future()
        finally:
            await may_end.wait()

    async def follow() -> str:
        await finish.wait()
        return "done"

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flights.join("key", end_slowly, abandon=lambda: True), 0.01)
    following = asyncio.create_task(flights.join("key", follow))
    await asyncio.sleep(0)
    may_end.set()
    while len(flights) > 1:
        await asyncio.sleep(0)
    joining = asyncio.create_task(flights.join("key", follow))
    await asyncio.sleep(0)
    finish.set()
    assert (await following, await joining) == (("done", True), ("done", False))
    assert reported == []


async def test_draining_waits_for_work_without_callers():
    """A shutdown leaves nothing half done."""
    flights: SingleFlight[str, None] = SingleFlight()
    finish = asyncio.Event()

    async def work() -> None:
        await finish.wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flights.join("key", work), 0.01)
    draining = asyncio.create_task(flights.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    finish.set()
    await draining
    assert "key" not in flights


async def test_an_error_without_callers_is_not_logged_by_asyncio():
    """Its callers have left."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    flights: SingleFlight[str, None] = SingleFlight()
    fail = asyncio.Event()

    async def work() -> None:
        await fail.wait()
        raise OSError("disk")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flights.join("key", work), 0.01)
    fail.set()
    await flights.drain()
    await asyncio.sleep(0)
    gc.collect()
    assert reported == []
