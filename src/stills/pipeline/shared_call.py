"""Shared call: several takes that need new images wait for each other and share an API call.

A model that makes several images per call uses up the rate limit only once for all of them. Each
take still has its own claim, journal and download.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Generic, TypeVar

from stills.contract.errors import StillsError

Member = TypeVar("Member")
Outcome = TypeVar("Outcome")


@dataclass
class Group(Generic[Member, Outcome]):
    """Members that share a call, which the first of them makes.

    `is_led` once the first has begun, and `is_sent` once the call may be billed. If a member gives
    up before, the group `is_dissolved`, and the others form another.
    """

    members: Sequence[Member]
    outcomes: "Sequence[asyncio.Future[Outcome]]" = ()
    is_led: bool = False
    is_sent: bool = False
    is_dissolved: bool = False

    def close(self) -> Sequence[Member]:
        """Return the members that have not given up; from now on, the call is for them."""
        if self.outcomes:
            staying = [not outcome.cancelled() for outcome in self.outcomes]
            self.members = list(compress(self.members, staying))
            self.outcomes = list(compress(self.outcomes, staying))
        return self.members

    def dissolve(self) -> None:
        """Let all members form another group."""
        self.is_dissolved = True
        _fail(self, _Regroup())


@dataclass
class _Arrival(Generic[Member, Outcome]):
    member: Member
    place: "asyncio.Future[tuple[Group[Member, Outcome], int] | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class _Regroup(Exception):
    """The first member gave up before the call was sent."""


@dataclass(frozen=True, slots=True)
class Seat(Generic[Member, Outcome]):
    """One take's place in a shared call."""

    shared: "SharedCall[Member, Outcome]"
    number: int

    @property
    def is_open(self) -> bool:
        """Whether the take may still share a call."""
        return self.shared.is_open(self.number)

    async def share(
        self,
        member: Member,
        call: "Callable[[Group[Member, Outcome]], Awaitable[Sequence[Outcome]]]",
    ) -> Outcome | None:
        """Share a call, as `SharedCall.share` does."""
        return await self.shared.share(self.number, member, call)

    def leave(self) -> None:
        """Let the other takes continue without this one."""
        self.shared.leave(self.number)


class SharedCall(Generic[Member, Outcome]):
    """Seats for takes. A call starts once every seat is taken or left, for `images_max` at most."""

    def __init__(self, *, seats: int, images_max: int) -> None:
        self._images_max = images_max
        self._expected = set(range(seats))
        self._arrived: dict[int, _Arrival[Member, Outcome]] = {}

    def is_open(self, number: int) -> bool:
        """Return whether a seat was not left."""
        return number in self._expected or number in self._arrived

    def leave(self, number: int) -> None:
        """Give up a seat; a member that is waiting in it goes on alone."""
        self._expected.discard(number)
        arrival = self._arrived.pop(number, None)
        if arrival is not None and not arrival.place.done():
            arrival.place.set_result(None)
        self._start_if_complete()

    async def share(
        self,
        number: int,
        member: Member,
        call: "Callable[[Group[Member, Outcome]], Awaitable[Sequence[Outcome]]]",
    ) -> Outcome | None:
        """Wait for the others, and share a call with them; None if the seat was left meanwhile.

        Raises:
            Exception: `call` failed; every member of the group gets it.
        """
        while True:
            place = await self._arrive(number, member)
            if place is None:
                return None
            group, position = place
            if group.is_dissolved:
                continue
            try:
                if position == 0:
                    return await self._lead(group, call)
                return await group.outcomes[position]
            except _Regroup:
                continue

    async def _arrive(
        self, number: int, member: Member
    ) -> tuple[Group[Member, Outcome], int] | None:
        arrival = _Arrival[Member, Outcome](member)
        self._expected.discard(number)
        self._arrived[number] = arrival
        self._start_if_complete()
        try:
            return await arrival.place
        except asyncio.CancelledError:
            self.leave(number)
            place = arrival.place
            if place.done() and not place.cancelled() and (found := place.result()) is not None:
                group, position = found
                if group.is_led:
                    group.outcomes[position].cancel()
                else:
                    group.dissolve()
            raise

    async def _lead(
        self,
        group: Group[Member, Outcome],
        call: "Callable[[Group[Member, Outcome]], Awaitable[Sequence[Outcome]]]",
    ) -> Outcome:
        group.is_led = True
        try:
            outcomes = await call(group)
        except asyncio.CancelledError:
            # After the call was sent, the others wait for it until their own deadlines: whether it
            # is billed is unknown, so nobody may repeat it.
            if not group.is_sent:
                group.dissolve()
            raise
        except Exception as error:
            _fail(group, error)
            raise
        for future, outcome in zip(group.outcomes, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
        return outcomes[0]

    def _start_if_complete(self) -> None:
        if self._expected or not self._arrived:
            return
        # A member whose task is being cancelled has not left yet.
        waiting = {number: one for number, one in self._arrived.items() if not one.place.done()}
        arrivals = [waiting[number] for number in sorted(waiting)]
        self._expected = set(waiting)  # for a retry
        self._arrived = {}
        for start in range(0, len(arrivals), self._images_max):
            together = arrivals[start : start + self._images_max]
            loop = asyncio.get_running_loop()
            group = Group[Member, Outcome](
                [arrival.member for arrival in together], [loop.create_future() for _ in together]
            )
            for position, arrival in enumerate(together):
                arrival.place.set_result((group, position))


def _fail(group: Group[Member, Outcome], error: Exception) -> None:
    for future in group.outcomes:
        if not future.done():
            future.set_exception(error.with_() if isinstance(error, StillsError) else error)
            future.exception()  # a member that has left never reads it
