"""The history of an output folder: boards whose pictures a later run replaced."""

import datetime as dt
import os
import shutil
from contextlib import suppress
from pathlib import Path

from stills.batch.image_files import CONTACT_SHEET_NAME, REVIEW_NAME, file_in
from stills.batch.manifest import MANIFEST_NAME, read_manifest
from stills.batch.thumbnails import thumbnail_file
from stills.contract.atomic_file import as_output_error
from stills.contract.errors import InvalidRequest

HISTORY_FOLDER = "history"


class History:
    """Keeps the board that a run finds, once the run replaces or removes one of its pictures.

    It is kept as `history/TIME`, with the time at which its manifest was written (UTC): manifest,
    contact sheet, review and images, as hard links if possible. `kept` is that folder, or None.
    """

    def __init__(self, folder: Path) -> None:
        self.kept: Path | None = None
        self._folder = folder
        self._manifest = folder / MANIFEST_NAME

    def keep_image(self, file: str) -> None:
        """Keep an image of the board before it is replaced or removed.

        Raises:
            OutputRefused: it can't be kept.
        """
        if not file_in(self._folder, file).is_file() or not self._manifest.is_file():
            return
        if self.kept is None:
            self.kept = self._new_folder()
        self._link(file)

    def finish(self) -> None:
        """Keep the rest of the board, before its manifest is replaced. Blocks.

        Raises:
            OutputRefused: it can't be kept.
        """
        if self.kept is None:
            return
        with suppress(InvalidRequest):  # the manifest is damaged; it is kept as it is
            for entry in read_manifest(self._manifest):
                if entry.file is not None:
                    self._link(entry.file)
                    self._link(thumbnail_file(entry))
        self._link(CONTACT_SHEET_NAME)
        self._link(REVIEW_NAME)
        self._link(MANIFEST_NAME)

    def _new_folder(self) -> Path:
        with as_output_error(self._folder / HISTORY_FOLDER):
            written = dt.datetime.fromtimestamp(self._manifest.stat().st_mtime, dt.UTC)
            name = written.strftime("%Y-%m-%dT%H-%M-%S")
            number = 1
            while True:
                suffix = f"-{number}" if number > 1 else ""
                folder = self._folder / HISTORY_FOLDER / f"{name}{suffix}"
                with suppress(FileExistsError):
                    folder.mkdir(parents=True)
                    return folder
                number += 1

    def _link(self, file: str) -> None:
        assert self.kept is not None  # noqa: S101 - both callers have checked it
        source, target = file_in(self._folder, file), file_in(self.kept, file)
        if target.exists() or not source.is_file():
            return
        with as_output_error(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # a file system without hard links
                shutil.copy2(source, target)
