"""Write a review to the manifest, for programs that read only that."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stills.batch.manifest import rewrite_manifest
from stills.batch.manifest_entry import ManifestEntry
from stills.contract.errors import OutputRefused
from stills.review.board import Board, make_board
from stills.review.page.document import write_page
from stills.review.review_file import change_review, read_review


def end_run(folder: Path, title: str) -> None:
    """Write the title of a run to the review, the review to the manifest, and the page. Blocks.

    Raises:
        InvalidRequest: the review can't be read.
        OutputRefused: a file can't be written.
    """
    change_review(folder, lambda review: replace(review, title=title))
    record(folder)
    write_page(folder)


def record(folder: Path) -> None:
    """Write the review of a folder to its manifest. Blocks.

    Raises:
        InvalidRequest: the manifest or the review can't be read.
        OutputRefused: the manifest can't be written.
    """
    review = read_review(folder)
    rewrite_manifest(
        folder, lambda entries: list_recorded(make_board(folder, entries, review), entries)
    )


def record_unless_running(folder: Path) -> None:
    """Write the review of a folder to its manifest and page, unless a run is writing to it.

    Raises:
        InvalidRequest: the manifest or the review can't be read.
    """
    with suppress(OutputRefused):
        record(folder)
        write_page(folder)


def list_recorded(board: Board, entries: Sequence[ManifestEntry]) -> Sequence[ManifestEntry]:
    """Return the entries with what the review says about them."""
    marks = {take.id: take.mark for shot in board.shots for take in shot.takes}
    shots = {shot.takes[0].id: shot.review for shot in board.shots}
    recorded = []
    for entry in entries:
        review = shots.get(entry.shot.id)
        own = review.own if review is not None else None
        recorded.append(
            replace(
                entry,
                mark=marks.get(entry.shot.id),
                comments=tuple(one.text for one in review.comments) if review else (),
                own_picture=None if own is None else own.file,
            )
        )
    return recorded
