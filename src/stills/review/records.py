"""The review of a batch as values. Every class is frozen; a change makes a new review."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

UNDO_MAX = 100
"""How many changes can be undone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A take by its id, and the id of the image that was marked.

    If a later run gives the take another image, the mark no longer counts.
    """

    take: str
    image: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a shot, or on one `take` of it; `at` is the time in UTC, ISO 8601."""

    id: str
    text: str
    at: str
    by: str | None = None
    take: str | None = None


@dataclass(frozen=True, slots=True)
class NewReference:
    """The reference image of a requested take: that of another shot or take, or an https URL.

    With neither, the take has no reference.
    """

    shot: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class TakeRequest:
    """Another take of a shot. `id` is that of its image in the manifest.

    It repeats the request of the take `based_on` with another seed; `prompt` and `reference`
    replace those of that take unless they are None.
    """

    id: str
    based_on: str
    seed: int
    prompt: str | None = None
    reference: NewReference | None = None


@dataclass(frozen=True, slots=True)
class OwnPicture:
    """A picture of the user that takes a shot's place: a PNG in the folder.

    `name` is the name of the user's file, `digest` the SHA-256 of `file`.
    """

    file: str
    digest: str
    width: int
    height: int
    name: str


@dataclass(frozen=True, slots=True)
class ShotReview:
    """What was decided about one shot. An own picture goes before the picked take."""

    pick: Mark | None = None
    rejected: tuple[Mark, ...] = ()
    comments: tuple[Comment, ...] = ()
    requests: tuple[TakeRequest, ...] = ()
    own: OwnPicture | None = None


NOTHING = ShotReview()


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be undone: what was done, when, and the shots as they were before."""

    what: str
    at: str
    before: Mapping[str, ShotReview]


@dataclass(frozen=True, slots=True)
class Review:
    """The review of a folder. `board` identifies it in files that are sent around.

    `undo` are the latest changes, oldest first.
    """

    board: str
    title: str = ""
    shots: Mapping[str, ShotReview] = field(default_factory=dict)
    undo: tuple[Change, ...] = ()

    def of(self, shot_id: str) -> ShotReview:
        """Return what was decided about a shot; nothing, if nothing was."""
        return self.shots.get(shot_id, NOTHING)

    def change(self, what: str, at: str, shots: Mapping[str, ShotReview]) -> "Review":
        """Replace the reviews of some shots, in a way that can be undone."""
        shots = {one: new for one, new in shots.items() if new != self.of(one)}
        if not shots:
            return self
        before = {shot_id: self.of(shot_id) for shot_id in shots}
        undo = (*self.undo, Change(what, at, before))[-UNDO_MAX:]
        return replace(self, shots=_merge(self.shots, shots), undo=undo)

    def undo_last(self) -> "Review":
        """Undo the latest change, if there is one."""
        if not self.undo:
            return self
        *others, last = self.undo
        return replace(self, shots=_merge(self.shots, last.before), undo=tuple(others))


def _merge(
    shots: Mapping[str, ShotReview], new: Mapping[str, ShotReview]
) -> Mapping[str, ShotReview]:
    return {one: review for one, review in {**shots, **new}.items() if review != NOTHING}
