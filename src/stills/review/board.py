"""The board: the shots of a folder with their takes, and what the review says about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.manifest_entry import ManifestEntry, ReviewMark, Status
from stills.batch.thumbnails import image_name
from stills.contract.errors import InvalidRequest
from stills.review.records import Mark, Review, ShotReview, TakeRequest
from stills.review.review_file import read_review
from stills.shotlist.columns import suggest


@dataclass(frozen=True, slots=True)
class BoardTake:
    """One take: its entry in the manifest, and its mark. `label` is its number: `2`, or `r1`."""

    entry: ManifestEntry
    label: str
    mark: ReviewMark | None

    @property
    def id(self) -> str:
        """The id of its entry."""
        return self.entry.shot.id

    @property
    def has_image(self) -> bool:
        """Whether the folder has its image."""
        return self.entry.status is Status.DONE and self.entry.file is not None


@dataclass(frozen=True, slots=True)
class BoardShot:
    """A shot and its takes, in the order of the manifest. Takes that were asked for come last."""

    takes: tuple[BoardTake, ...]
    review: ShotReview

    @property
    def id(self) -> str:
        """The id of the shot, which its first take has too."""
        return self.takes[0].entry.shot.first_take

    @property
    def is_portrait(self) -> bool:
        """Whether it shows a member of the cast, and is not a shot of the film."""
        return self.takes[0].entry.shot.is_portrait

    @property
    def chosen(self) -> BoardTake | None:
        """The take that stands for the shot: the pick, or the first with an image; None if none is.

        Rejected takes never are.
        """
        able = [take for take in self.takes if take.has_image]
        picked = (take for take in able if take.mark is ReviewMark.PICKED)
        others = (take for take in able if take.mark is None)
        return next(picked, next(others, None))

    @property
    def is_settled(self) -> bool:
        """Whether a take is picked, or an own picture takes the shot's place."""
        picked = any(take.has_image and take.mark is ReviewMark.PICKED for take in self.takes)
        return picked or self.review.own is not None

    @property
    def waiting(self) -> tuple[TakeRequest, ...]:
        """The requested takes that have no image yet."""
        done = {take.id for take in self.takes if take.has_image}
        return tuple(one for one in self.review.requests if one.id not in done)

    def find_take(self, name: str) -> BoardTake:
        """Find a take by its number or id.

        Raises:
            InvalidRequest: there is none.
        """
        for take in self.takes:
            if name in {take.label, take.id}:
                return take
        labels = ", ".join(take.label for take in self.takes)
        raise InvalidRequest(
            f"shot {self.id[:60]!r} has no take {name[:60]!r}",
            field="take",
            action=f"Its takes are {labels}.",
        )


@dataclass(frozen=True, slots=True)
class Board:
    """The shots of a folder in order, portraits of the cast included.

    `entries` are those of the manifest, in its order.
    """

    folder: Path
    review: Review
    shots: tuple[BoardShot, ...]
    entries: tuple[ManifestEntry, ...]

    def with_review(self, review: Review) -> "Board":
        """Return this board with another review."""
        return make_board(self.folder, self.entries, review)

    @property
    def title(self) -> str:
        """The title of the film, or the name of the folder."""
        return self.review.title or self.folder.resolve().name.removesuffix("-stills")

    def find(self, shot_id: str) -> BoardShot:
        """Find a shot by its id.

        Raises:
            InvalidRequest: there is none.
        """
        for shot in self.shots:
            if shot.id == shot_id:
                return shot
        raise InvalidRequest(
            f"the batch has no shot {shot_id[:60]!r}",
            field="shot",
            action=suggest(shot_id, [shot.id for shot in self.shots]) or "Use the id of a shot.",
        )

    def find_take(self, take_id: str) -> BoardTake | None:
        """Find a take of any shot by its id."""
        takes = (take for shot in self.shots for take in shot.takes)
        return next((take for take in takes if take.id == take_id), None)


def read_board(folder: Path) -> Board:
    """Read the manifest and the review of a folder. Blocks.

    Raises:
        InvalidRequest: one of them can't be read, or there is no manifest.
    """
    return make_board(folder, read_manifest(folder / MANIFEST_NAME), read_review(folder))


def make_board(folder: Path, entries: Iterable[ManifestEntry], review: Review) -> Board:
    """Join the entries of a manifest and a review."""
    listed = tuple(entries)
    takes: dict[str, list[ManifestEntry]] = {}
    for entry in listed:
        takes.setdefault(entry.shot.first_take, []).append(entry)
    shots = (_shot(listed, review.of(shot_id)) for shot_id, listed in takes.items())
    return Board(folder, review, tuple(shots), listed)


def image_of(entry: ManifestEntry) -> str:
    """Return what identifies the image of an entry: a mark is void once it is another."""
    return "" if entry.result is None else image_name(entry.result)


def _shot(entries: list[ManifestEntry], review: ShotReview) -> BoardShot:
    ordered = sorted(entries, key=lambda entry: entry.shot.is_retake)
    return BoardShot(tuple(_take(entry, review) for entry in ordered), review)


def _take(entry: ManifestEntry, review: ShotReview) -> BoardTake:
    own = Mark(entry.shot.id, image_of(entry))
    mark = None
    if own in review.rejected:
        mark = ReviewMark.REJECTED
    elif own == review.pick and review.own is None:
        mark = ReviewMark.PICKED
    label = f"r{entry.shot.take}" if entry.shot.is_retake else f"{entry.shot.take}"
    return BoardTake(entry, label, mark)
