"""Takes: several images of one request, each with a seed of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stills.contract.errors import Billing, InvalidRequest, StillsError
from stills.contract.models import SEED_MAX
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


@dataclass(frozen=True, slots=True)
class Take:
    """One take of a request: the request to make, with its seed.

    The first take is the caller's own request, so equal requests share its image. If that has no
    seed, `drawn_seed` is the one to send for it.
    """

    request: ImageRequest
    drawn_seed: int | None = None


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


def read_outcomes(
    outcomes: Sequence[ImageResult | BaseException],
) -> tuple[ImageResult, ...]:
    """Return the results of all takes.

    Raises:
        StillsError: the error of the first take that failed. It says which takes are stored, and
            its `billing` covers all takes that failed.
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
    generated = f"{len(results)} of {len(outcomes)} images were generated ({noun} {seeds})"
    raise first.with_(message=f"{generated}; {first.message}", billing=billing) from first
