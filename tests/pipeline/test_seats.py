"""Members that wait for each other and share a call."""

import asyncio
from collections.abc import Sequence

import pytest

from stills.contract.errors import RateLimited
from stills.pipeline.shared_call import Group, Seat, SharedCall

Calls = list[list[str]]


def make_seats(number: int, *, images_max: int = 6) -> list[Seat[str, str]]:
    shared: SharedCall[str, str] = SharedCall(seats=number, images_max=images_max)
    return [Seat(shared, seat) for seat in range(number)]


class Caller:
    """Makes calls, each of which ends once it is allowed to."""

    def __init__(self) -> None:
        self.calls: Calls = []
        self.error: Exception | None = None
        self.before_sending = asyncio.Event()
        self.before_sending.set()
        self.before_answering = asyncio.Event()
        self.before_answering.set()

    async def call(self, group: Group[str, str]) -> Sequence[str]:
        await self.before_sending.wait()
        self.calls.append(list(group.close()))
        group.is_sent = True
        await self.before_answering.wait()
        if self.error is not None:
            raise self.error
        return [f"image of {member}" for member in group.members]


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_call_starts_once_every_seat_is_taken_or_left():
    """The first in the order of the seats makes it."""
    caller, seats = Caller(), make_seats(3)
    second = asyncio.create_task(seats[1].share("b", caller.call))
    first = asyncio.create_task(seats[0].share("a", caller.call))
    await settle()
    assert caller.calls == []
    seats[2].leave()
    assert [await first, await second] == ["image of a", "image of b"]
    assert caller.calls == [["a", "b"]]
    assert not seats[2].is_open


async def test_more_members_than_a_call_can_make_share_several():
    """All calls start at the same time."""
    caller, seats = Caller(), make_seats(5, images_max=2)
    outcomes = await asyncio.gather(
        *(seat.share(name, caller.call) for seat, name in zip(seats, "abcde", strict=True))
    )
    assert outcomes == [f"image of {name}" for name in "abcde"]
    assert sorted(caller.calls) == [["a", "b"], ["c", "d"], ["e"]]


async def test_an_error_reaches_each_member_as_its_own_copy():
    """So that one member's changes don't show in the others."""
    caller, seats = Caller(), make_seats(2)
    caller.error = RateLimited("too fast")
    errors = await asyncio.gather(
        *(seat.share("a", caller.call) for seat in seats), return_exceptions=True
    )
    assert [type(error) for error in errors] == [RateLimited, RateLimited]
    assert errors[0] is not errors[1]


async def test_after_a_failure_the_members_share_again_unless_one_has_left():
    """A retry is one call, too."""
    caller, seats = Caller(), make_seats(3)
    caller.error = RateLimited("too fast")
    names = dict(zip(seats, "abc", strict=True))
    await asyncio.gather(
        *(seat.share(name, caller.call) for seat, name in names.items()), return_exceptions=True
    )
    caller.error = None
    seats[0].leave()
    await asyncio.gather(*(seat.share(names[seat], caller.call) for seat in seats[1:]))
    assert caller.calls == [["a", "b", "c"], ["b", "c"]]


async def test_if_the_first_gives_up_before_sending_another_makes_the_call():
    """Nothing was sent, so the others lose nothing."""
    caller, seats = Caller(), make_seats(2)
    caller.before_sending.clear()
    first, second = (
        asyncio.create_task(seat.share(name, caller.call))
        for seat, name in zip(seats, "ab", strict=True)
    )
    await settle()
    first.cancel()
    await settle()
    seats[0].leave()  # as its caller does
    caller.before_sending.set()
    assert await second == "image of b"
    assert caller.calls == [["b"]]


async def test_if_the_first_is_cancelled_after_sending_nobody_repeats_the_call():
    """It may be billed; the others wait for their own deadlines."""
    caller, seats = Caller(), make_seats(2)
    caller.before_answering.clear()
    first, second = (
        asyncio.create_task(seat.share(name, caller.call))
        for seat, name in zip(seats, "ab", strict=True)
    )
    await settle()
    first.cancel()
    await settle()
    seats[0].leave()
    await settle()
    assert not second.done()
    assert caller.calls == [["a", "b"]]
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_member_whose_seat_is_left_goes_on_alone():
    """It has no outcome from the group."""
    caller, seats = Caller(), make_seats(2)
    waiting = asyncio.create_task(seats[0].share("a", caller.call))
    await settle()
    seats[0].leave()
    assert await waiting is None
    assert await seats[1].share("b", caller.call) == "image of b"


async def test_a_member_that_is_cancelled_while_it_waits_is_not_waited_for():
    """The others start without it."""
    caller, seats = Caller(), make_seats(2)
    waiting = asyncio.create_task(seats[0].share("a", caller.call))
    await settle()
    waiting.cancel()
    assert await seats[1].share("b", caller.call) == "image of b"
    assert caller.calls == [["b"]]


async def test_a_member_that_is_cancelled_as_the_group_forms_is_not_in_the_call():
    """The others form another group, also if it was to make the call."""
    for gone in (0, 1):
        caller, seats = Caller(), make_seats(3)
        caller.before_sending.clear()
        waiting = [
            asyncio.create_task(seat.share(name, caller.call))
            for seat, name in zip(seats[:2], "ab", strict=True)
        ]
        await settle()
        last = asyncio.create_task(seats[2].share("c", caller.call))
        await asyncio.sleep(0)  # it has arrived, and the others have not woken up yet
        waiting[gone].cancel()
        await settle()
        caller.before_sending.set()
        assert await last == "image of c"
        assert await waiting[1 - gone] == f"image of {'ab'[1 - gone]}"
        assert caller.calls == [["ab"[1 - gone], "c"]]


async def test_a_member_that_gives_up_before_the_call_is_sent_is_not_in_it():
    """The call may have waited long for the rate limit."""
    caller, seats = Caller(), make_seats(3)
    caller.before_sending.clear()
    first, second, third = (
        asyncio.create_task(seat.share(name, caller.call))
        for seat, name in zip(seats, "abc", strict=True)
    )
    await settle()
    second.cancel()
    await settle()
    caller.before_sending.set()
    assert [await first, await third] == ["image of a", "image of c"]
    assert caller.calls == [["a", "c"]]
