"""The film of a batch: the frames that stand for its shots, and for how long each is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.batch.manifest import MANIFEST_NAME
from stills.contract.errors import ImageMissing, InvalidRequest
from stills.contract.size import Size
from stills.review.picked_frames import PickedFrame, list_picked_frames, open_board

SECONDS_PER_SHOT_DEFAULT = 3.0
FPS_DEFAULT = 24
SHOT_MAX_SECONDS = 600.0
FPS_MAX = 120

_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_SIDE_MIN_PIXELS = 2


@dataclass(frozen=True, slots=True)
class Still:
    """One shot's image, and the number of frames it is shown for. `file` is absolute."""

    picked: PickedFrame
    file: Path
    size: Size
    frames: int

    @property
    def shot_id(self) -> str:
        """The id of the shot."""
        return self.picked.shot.id


@dataclass(frozen=True, slots=True)
class Film:
    """The shots of a film in order, read from `manifest`.

    `left_out` are the ids of shots without an image, `rejected` those of shots whose images are all
    rejected.
    """

    stills: Sequence[Still]
    left_out: Sequence[str]
    rejected: Sequence[str]
    fps: int
    manifest: Path
    title: str

    @property
    def folder(self) -> Path:
        """The output folder of the batch."""
        return self.manifest.parent

    @property
    def frames(self) -> int:
        """Its duration in frames."""
        return sum(still.frames for still in self.stills)

    @property
    def seconds(self) -> float:
        """Its duration in seconds."""
        return self.frames / self.fps


def read_film(manifest: Path, *, seconds_per_shot: float, fps: int) -> Film:
    """Read a manifest, or the one in a folder, and the sizes of its images. Blocks.

    Each shot has its picked frame, for its `duration_seconds`, or for `seconds_per_shot`. Portraits
    of the cast are not in it.

    Raises:
        InvalidRequest: the manifest or an option is invalid, or no shot has an image.
        ImageMissing: an image is not where the manifest says.
    """
    _check_option("seconds per shot", seconds_per_shot, SHOT_MAX_SECONDS)
    _check_option("frames per second", fps, FPS_MAX)
    stills: list[Still] = []
    left_out: list[str] = []
    rejected: list[str] = []
    ends_at = 0.0
    manifest = manifest / MANIFEST_NAME if manifest.is_dir() else manifest
    board = open_board(manifest)
    for picked in list_picked_frames(board):
        if picked.file is None:
            (rejected if picked.is_rejected else left_out).append(picked.shot.id)
            continue
        starts_at, ends_at = ends_at, ends_at + _seconds(picked, seconds_per_shot)
        # Round the absolute times, so that rounding errors do not add up over many shots.
        frames = max(1, round(ends_at * fps) - round(starts_at * fps))
        stills.append(_still(picked, picked.file, frames))
    if not stills:
        raise InvalidRequest(f"{manifest} has no shot with an image", action="Run the batch first.")
    return Film(stills, left_out, rejected, fps, manifest, board.title)


def _still(picked: PickedFrame, file: Path, frames: int) -> Still:
    """Read the size of an image from its first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(len(_PNG_HEAD) + 8)
    except OSError as error:
        raise ImageMissing(
            f"shot {picked.shot.id!r}: {file} can't be read: {error.strerror}",
            action="Run the batch again; stored images are free."
            if picked.take
            else "Restore the file, or give the picture again with `stills pick --file`.",
        ) from None
    size = Size(int.from_bytes(head[-8:-4]), int.from_bytes(head[-4:]))
    if (
        not head.startswith(_PNG_HEAD)
        or len(head) < len(_PNG_HEAD) + 8
        or min(size) < _SIDE_MIN_PIXELS
    ):
        raise InvalidRequest(f"shot {picked.shot.id!r}: {file} is not a PNG", field="file")
    return Still(picked, file.absolute(), size, frames)


def _seconds(picked: PickedFrame, otherwise: float) -> float:
    seconds = picked.shot.duration_seconds
    if seconds is None:
        return otherwise
    _check_option(f"duration of shot {picked.shot.id!r}", seconds, SHOT_MAX_SECONDS)
    return seconds


def _check_option(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:
        raise InvalidRequest(
            f"{name}: {value:g} is out of range", action=f"Use a number above 0, at most {most:g}."
        )
