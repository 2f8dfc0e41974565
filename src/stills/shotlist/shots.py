"""What a shot list is read into. Every class is frozen."""

from dataclasses import dataclass
from typing import Self

from stills.contract.errors import Billing, InvalidRequest, StillsError
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class ShotReference:
    """A reference image of a shot: an `image` (path, URL or bytes), or the image of another `shot`.

    `member` is the name of the cast member it shows, and `description` the member's prompt, which
    is used if the image can't be sent. `label` is who or what it shows, if the file says so.
    """

    image: str | bytes | None = None
    shot: str | None = None
    label: str | None = None
    member: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of a batch.

    `source` is where the shot is defined, such as `shots.csv:12`. `references` are in the order in
    which they are sent; `request` has none until then. `reference_text` is what its prompt says
    about them. `dialogue` is what is said in the shot; no model gets it. A portrait shows a member
    of the cast, and is only generated for shots that need it.

    A further take of a shot is a shot of its own: `take_of` is the id of the first take, and `take`
    counts from 1. One that was asked for in a review `is_retake`: the list does not have it, its
    prompt may differ, and `take` counts the shot's retakes.

    `is_numbered` means that the id comes from the row's position. `project_seed` is given if its
    seed does too, from this seed.
    """

    id: str
    request: ImageRequest
    source: str
    references: tuple[ShotReference, ...] = ()
    reference_text: str | None = None
    duration_seconds: float | None = None
    dialogue: str | None = None
    is_portrait: bool = False
    take: int = 1
    take_of: str | None = None
    is_retake: bool = False
    is_numbered: bool = False
    project_seed: int | None = None

    @property
    def written_prompt(self) -> str:
        """The prompt without what it says about the references."""
        prompt, text = self.request.prompt, self.reference_text
        return prompt.removesuffix(text).rstrip() if text else prompt

    @property
    def first_take(self) -> str:
        """The id of the shot's first take."""
        return self.take_of or self.id

    @property
    def takes_name(self) -> str:
        """The name of the takes that an API call can make together: their requests are equal."""
        return self.id if self.is_retake else self.first_take

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of the shots whose images are references of this one."""
        return tuple(one.shot for one in self.references if one.shot is not None)


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
    takes: int | None = None

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
