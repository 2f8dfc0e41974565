"""The records of a batch. All frozen."""

from dataclasses import dataclass
from typing import Self

from stills.contract.errors import Billing, StillsError
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of a batch.

    `source` says where it was written, such as `shots.csv:12`. `needs` names the shots whose
    images are its references, in order; `cast_images` are the images (path or URL) that members
    of its cast bring along. `describe` is the text that takes the cast's place, woven into the
    prompt, where the model takes no references and the caller allows that; None if a member can't
    be described. A portrait is a member of the cast, made only for the shots that need it.
    """

    id: str
    request: ImageRequest
    source: str
    needs: tuple[str, ...] = ()
    cast_images: tuple[str, ...] = ()
    describe: str | None = None
    duration_seconds: float | None = None
    is_portrait: bool = False


@dataclass(frozen=True, slots=True)
class Defaults:
    """What rows without take: `seed` is the project's, from which theirs are derived.

    `size` is W*H, or 1K, 2K or 4K to go with `aspect_ratio`.
    """

    size: str | None = None
    aspect_ratio: str | None = None
    style: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None

    def over(self, other: Self) -> Self:
        """Take these, and the other's where these have none."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__slots__}
        return type(self)(**{name: b if a is None else a for name, (a, b) in pairs.items()})


@dataclass(frozen=True, slots=True)
class Problem:
    """What can't be used: where, which field, what is wrong, what to do; `shot_id` if it has one.

    Where it is a whole column, the rows are used without it.
    """

    source: str
    field: str | None
    message: str
    action: str
    shot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one shot: a result, or an error; skipped ones have the error they fell to.

    With both its image is kept, and could not be placed: the shot failed, whatever was paid for it.
    With neither it was not reached, or cut off: then `billing` says what is known of the money.
    """

    shot: Shot
    result: ImageResult | None = None
    error: StillsError | None = None
    billing: Billing = Billing.NONE
