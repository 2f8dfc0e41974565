"""Take group: takes of one request in a run of many, which share API calls."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stills.contract.request import ImageRequest
from stills.contract.takes import Take
from stills.pipeline.shared_call import SharedCall


class TakeGroup:
    """The seats of takes that start together.

    Takes whose call could not start in time try again together, in another round. A take that goes
    on alone or has ended has left all rounds.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._rounds: list[SharedCall[Any, Any]] = []
        self._left: set[int] = set()

    def take(self, request: ImageRequest, number: int, attempt: int) -> Take:
        """Return a take with its seat for an attempt; both numbers count from 0."""
        while len(self._rounds) <= attempt:
            shared: SharedCall[Any, Any] = SharedCall(seats=self._size, images_max=self._size)
            for left in self._left:
                shared.leave(left)
            self._rounds.append(shared)
        return Take(request, seat=_Seat(self, self._rounds[attempt], number))

    def leave(self, number: int) -> None:
        """Let the other takes continue without this one, in every round."""
        self._left.add(number)
        for shared in self._rounds:
            shared.leave(number)


@dataclass(slots=True)
class _Seat:
    """A seat in one round; leaving it before sharing a call leaves the group."""

    group: TakeGroup
    shared: SharedCall[Any, Any]
    number: int
    has_shared: bool = False

    @property
    def is_open(self) -> bool:
        return self.shared.is_open(self.number)

    async def share(
        self,
        member: Any,  # noqa: ANN401 - as in Seat
        call: Callable[[Any], Awaitable[Sequence[Any]]],
    ) -> Any:  # noqa: ANN401
        self.has_shared = True
        return await self.shared.share(self.number, member, call)

    def leave(self) -> None:
        if self.has_shared:
            self.shared.leave(self.number)
        else:
            self.group.leave(self.number)
