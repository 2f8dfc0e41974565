"""The frames of the film: for each shot, the picture that was picked for it."""

from dataclasses import dataclass
from pathlib import Path

from stills.batch.image_files import file_in
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.review.board import Board, BoardShot, BoardTake, make_board
from stills.review.review_file import read_review
from stills.shotlist.shots import Shot


@dataclass(frozen=True, slots=True)
class PickedFrame:
    """The picture of one shot. `shot` is the shot as the list has it, with its duration.

    `file` is the user's own picture, else the picked take, else the first take that has an image
    and is not rejected; None if there is none. `take` is the take it shows, None for an own
    picture. `is_picked` means that somebody decided so; `is_rejected` that every image of the shot
    is rejected. `comments` are those of the review, oldest first; one on a take that is not shown
    begins with its number.
    """

    shot: Shot
    file: Path | None
    take: BoardTake | None
    is_picked: bool = False
    is_rejected: bool = False
    comments: tuple[str, ...] = ()


def read_picked_frames(manifest: Path) -> tuple[PickedFrame, ...]:
    """Read the frames of a manifest, or of the one in a folder, in the order of the film.

    Portraits of the cast are not in it. Blocks.

    Raises:
        InvalidRequest: the manifest or the review can't be read.
    """
    return list_picked_frames(open_board(manifest))


def open_board(manifest: Path) -> Board:
    """Read the board of a manifest, or of the one in a folder. Blocks.

    Raises:
        InvalidRequest: the manifest or the review can't be read.
    """
    if manifest.is_dir():
        manifest /= MANIFEST_NAME
    folder = manifest.parent
    return make_board(folder, read_manifest(manifest), read_review(folder))


def list_picked_frames(board: Board) -> tuple[PickedFrame, ...]:
    """List the frames of a board, as `read_picked_frames` does."""
    frames = []
    for shot in board.shots:
        if shot.is_portrait:
            continue
        own, first = shot.review.own, shot.takes[0].entry.shot
        take = shot.chosen if own is None else None
        comments = _list_comments(shot, take)
        if own is not None:
            file = file_in(board.folder, own.file)
            frames.append(PickedFrame(first, file, None, is_picked=True, comments=comments))
            continue
        images = [one for one in shot.takes if one.has_image]
        frames.append(
            PickedFrame(
                first,
                None if take is None else file_in(board.folder, take.entry.file or ""),
                take,
                is_picked=shot.is_settled,
                is_rejected=bool(images) and take is None,
                comments=comments,
            )
        )
    return tuple(frames)


def _list_comments(shot: BoardShot, shown: BoardTake | None) -> tuple[str, ...]:
    labels = {take.id: take.label for take in shot.takes if take is not shown}
    return tuple(
        f"take {labels[one.take]}: {one.text}" if one.take in labels else one.text
        for one in shot.review.comments
    )
