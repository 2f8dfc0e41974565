"""Boards with made-up images, without a service."""

from dataclasses import replace
from pathlib import Path

from tests.support.finished_shots import result, shot, write_png

from stills.batch.image_files import ImageNames
from stills.batch.manifest import ManifestWriter
from stills.batch.manifest_entry import ManifestEntry
from stills.review.board import Board, BoardShot, BoardTake, read_board
from stills.review.records import ShotReview
from stills.review.review_file import change_review, now
from stills.shotlist.shots import Outcome, Shot


def take_of(first: Shot, number: int) -> Shot:
    return replace(first, id=f"{first.id}-{number}", take=number, take_of=first.id)


def entry_of(one: Shot, *, image: str | None = None) -> ManifestEntry:
    made = replace(result(), id=image or f"image-of-{one.id}")
    file = ImageNames([one.id]).path(one.id)
    return ManifestEntry.of(Outcome(one, result=made), file)


def write_board(folder: Path, *entries: ManifestEntry) -> Path:
    """Write a manifest and an image for each entry that has one."""
    folder.mkdir(parents=True, exist_ok=True)
    with ManifestWriter(folder) as manifest:
        for position, entry in enumerate(entries):
            manifest.add_entry(position, entry)
            if entry.file is not None:
                write_png(folder / entry.file)
    return folder


def two_takes_each(folder: Path, *ids: str) -> Path:
    """Write a board of shots with two takes each."""
    shots = [shot(one, seed=100 + number) for number, one in enumerate(ids)]
    entries = [entry_of(one) for first in shots for one in (first, take_of(first, 2))]
    return write_board(folder, *entries)


def decide(folder: Path, shot_id: str, decision, *args, **more) -> Board:
    """Change the review of a shot with a function of `marking`, which gets the shot."""
    found = read_board(folder).find(shot_id)
    return put(folder, shot_id, decision(found, *args, **more))


def put(folder: Path, shot_id: str, review: ShotReview) -> Board:
    """Replace the review of a shot."""
    change_review(folder, lambda before: before.change("test", now(), {shot_id: review}))
    return read_board(folder)


def find(folder: Path, shot_id: str, label: str) -> tuple[BoardShot, BoardTake]:
    """Find a take."""
    found = read_board(folder).find(shot_id)
    return found, found.find_take(label)
