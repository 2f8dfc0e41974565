"""A board as it was read, and the files that its page may load."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stills.batch.image_files import REVIEW_NAME
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.manifest_entry import ManifestEntry
from stills.batch.thumbnails import thumbnail_file
from stills.review.board import Board, image_of, make_board
from stills.review.review_file import read_review


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A board as it was read, and the files that its page may load.

    `thumbnails` are the files and names of images by the path of their thumbnail. `key` changes
    when a file of the board does.
    """

    key: tuple[object, ...]
    board: Board
    thumbnails: Mapping[str, tuple[str, str]]
    files: frozenset[str]


class BoardReader:
    """Reads the board of a folder, but not again while its files are the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._snapshot: Snapshot | None = None
        self._entries: tuple[object, tuple[ManifestEntry, ...]] = (None, ())

    def read(self, ended: dict[str, ManifestEntry]) -> Snapshot:
        """Read the board with the entries of a run that has not written its manifest yet. Blocks.

        Raises:
            InvalidRequest: the manifest or the review can't be read.
        """
        path = self._folder / MANIFEST_NAME
        manifest = stamp(path)
        key = (manifest, stamp(self._folder / REVIEW_NAME), len(ended))
        snapshot = self._snapshot
        if snapshot is None or snapshot.key != key:
            if manifest is None or self._entries[0] != manifest:
                self._entries = (manifest, tuple(read_manifest(path)))
            entries = {entry.shot.id: entry for entry in self._entries[1]} | ended
            board = make_board(self._folder, entries.values(), read_review(self._folder))
            thumbnails = _list_thumbnails(board)
            files = frozenset(file for file, _ in thumbnails.values())
            self._snapshot = snapshot = Snapshot(key, board, thumbnails, files)
        return snapshot


def stamp(path: Path) -> object:
    """Return what changes when a file is replaced; None without a file. Blocks."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _list_thumbnails(board: Board) -> Mapping[str, tuple[str, str]]:
    listed = {
        thumbnail_file(take.entry): (take.entry.file or "", image_of(take.entry))
        for shot in board.shots
        for take in shot.takes
        if take.has_image
    }
    owns = [shot.review.own for shot in board.shots if shot.review.own is not None]
    return listed | {thumbnail_file(own.digest): (own.file, own.digest) for own in owns}
