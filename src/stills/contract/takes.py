"""Takes: several images of one request, each with a seed of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from stills.contract.errors import Billing, InvalidRequest, StillsError
from stills.contract.models import SEED_MAX
from stills.contract.money import add_usd, format_usd
from stills.contract.providers import is_paid
from stills.contract.request import ImageRequest, RequestField
from stills.contract.result import ImageResult

TAKES_MAX = 16

TAKES_FIELD = RequestField(
    name="takes",
    type="integer",
    is_required=False,
    summary="number of images, with consecutive seeds",
    details="each is stored and billed on its own, and those that are stored already are free",
    example=4,
    limits={"minimum": 1, "maximum": TAKES_MAX},
)
"""The number of takes, as front ends describe it next to the fields of the request."""

_BY_SEVERITY = (Billing.NONE, Billing.POSSIBLE, Billing.BILLED)


class Seat(Protocol):
    """A take's place in an API call that several takes share."""

    @property
    def is_open(self) -> bool:
        """Whether the take may still share a call."""
        ...

    async def share(
        self,
        member: Any,  # noqa: ANN401 - what the engine needs to know of a take
        call: Callable[[Any], Awaitable[Sequence[Any]]],
    ) -> Any:  # noqa: ANN401 - what it gets
        """Wait for the other takes, and share `call` with them; None if the seat was left."""
        ...

    def leave(self) -> None:
        """Let the other takes continue without this one; leaving twice does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Take:
    """One take of a request: the request to make, with its seed.

    The first take is the caller's own request, so equal requests share its image. If that has no
    seed, `drawn_seed` is the one to send for it. The others wait until the take has left its
    `seat`, if it has one; generating it leaves it.
    """

    request: ImageRequest
    drawn_seed: int | None = None
    seat: Seat | None = None

    def leave_seat(self) -> None:
        """Let the other takes continue without this one."""
        if self.seat is not None:
            self.seat.leave()


def check_takes(given: object) -> int:
    """Check a number of takes.

    Raises:
        InvalidRequest: it is not a whole number from 1 to TAKES_MAX.
    """
    if type(given) is not int or not 1 <= given <= TAKES_MAX:
        raise InvalidRequest(
            "takes is not a whole number in range",
            field="takes",
            action=f"Give a whole number from 1 to {TAKES_MAX}, or leave it out.",
        )
    return given


def list_takes(request: ImageRequest, *, takes: int, seed: int) -> tuple[Take, ...]:
    """List the takes of a request whose first take has this seed.

    Their seeds count up by 1; after SEED_MAX comes 0. Never change this: stored images are found
    again by their seeds.
    """
    first = Take(request, drawn_seed=seed if request.seed is None else None)
    others = (
        Take(replace(request, seed=(seed + number) % (SEED_MAX + 1))) for number in range(1, takes)
    )
    return (first, *others)


async def make_takes(
    takes: Sequence[Take], make: Callable[[int, Take], Awaitable[ImageResult]]
) -> tuple[ImageResult, ...]:
    """Make all takes at once with a function of their number, from 0; return their results.

    Raises:
        StillsError: as `read_outcomes`; the other takes are finished and stored.
    """

    async def make_one(number: int, take: Take) -> ImageResult:
        try:
            return await make(number, take)
        finally:
            take.leave_seat()

    making = (make_one(number, take) for number, take in enumerate(takes))
    return read_outcomes(await asyncio.gather(*making, return_exceptions=True))


def read_outcomes(
    outcomes: Sequence[ImageResult | BaseException],
) -> tuple[ImageResult, ...]:
    """Return the results of all takes.

    Raises:
        StillsError: the error of the first take that failed. It says which takes are stored and
            what they cost, and has them as `stored_takes`; its `billing` covers all takes that
            failed.
        BaseException: the first other exception.
    """
    results = tuple(one for one in outcomes if isinstance(one, ImageResult))
    failures = [one for one in outcomes if isinstance(one, BaseException)]
    for failure in failures:
        if not isinstance(failure, StillsError):
            raise failure
    errors = [one for one in failures if isinstance(one, StillsError)]
    if not errors:
        return results
    first = errors[0]
    billing = max((error.billing for error in errors), key=_BY_SEVERITY.index)
    if not results:
        raise first.with_(billing=billing) from first
    seeds = ", ".join(str(one.seed) for one in results)
    noun = "seed" if len(results) == 1 else "seeds"
    verb = "is" if len(results) == 1 else "are"
    stored = (
        f"{len(results)} of {len(outcomes)} images {verb} stored ({noun} {seeds}), "
        f"{_describe_cost(results)} billed for {'it' if len(results) == 1 else 'them'}"
    )
    raise first.with_(
        message=f"{stored}; {first.message}", billing=billing, stored_takes=results
    ) from first


def _describe_cost(results: Sequence[ImageResult]) -> str:
    """Return what these images added to the bill of their request."""
    new = [one for one in results if not one.cached]
    if not new:
        return "nothing"
    costs = [one.cost_usd for one in new if one.cost_usd is not None]
    if len(costs) < len(new):
        return "an unknown amount"
    simulated = "" if is_paid(new[0].provider) else " (simulated)"
    return format_usd(add_usd(*costs)) + simulated
