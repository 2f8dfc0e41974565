"""What a shot list is read into. Every class is frozen."""

from dataclasses import dataclass
from typing import Self

from stills.contract.errors import Billing, InvalidRequest, StillsError
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of a batch.

    `source` is where the shot is defined, such as `shots.csv:12`. `needs` lists the ids of the
    shots whose images are its references, in order. `cast_images` are images (path or URL) that
    belong to members of its cast. `describe` is the cast as text, or None if a member has no
    prompt: it goes into the prompt if the model takes no references and the caller allows that. A
    portrait shows a member of the cast, and is only generated for shots that need it.
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
    """Values for rows that have none. `seed` is the project's: shot seeds are derived from it.

    `size` is W*H, or 1K, 2K or 4K in combination with `aspect_ratio`.
    """

    size: str | None = None
    aspect_ratio: str | None = None
    style: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None

    def over(self, other: Self) -> Self:
        """Return these values, with those of `other` where these are None."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__slots__}
        return type(self)(**{name: b if a is None else a for name, (a, b) in pairs.items()})


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a shot list that can't be used: where it is, what is wrong, and how to fix it.

    `shot_id` is the id of the shot that can't be generated, if it is known. A problem of a whole
    column only removes that column: its rows are still read.
    """

    source: str
    field: str | None
    message: str
    action: str
    shot_id: str | None = None

    @classmethod
    def of(cls, source: str, error: InvalidRequest) -> Self:
        """Report an error at `source`."""
        return cls(source, error.field, error.message, error.action)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one shot: a result, or an error.

    With both, the image is stored but its file could not be written to the output folder; the shot
    failed. With neither, the run ended first: `billing` says whether a request in flight may be
    billed.
    """

    shot: Shot
    result: ImageResult | None = None
    error: StillsError | None = None
    billing: Billing = Billing.NONE
