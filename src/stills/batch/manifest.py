"""The manifest of a batch: `manifest.jsonl`, one entry a line, in input order."""

import fcntl
import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from stills.batch.image_files import file_in
from stills.batch.manifest_entry import ManifestEntry, Status
from stills.contract.atomic_file import as_output_error, replace_atomically
from stills.contract.errors import InvalidRequest, OutputRefused
from stills.shotlist.shots import Outcome

MANIFEST_NAME = "manifest.jsonl"

_LINE_MAX_BYTES = 16 * 1024 * 1024
_MISSING = -1
_ACTION = "Give a manifest.jsonl as `stills batch` writes it."


class ManifestWriter:
    """Takes outcomes in any order, and writes them in input order when it is closed.

    The folder is its own for so long: another run into the same one is refused. Use it as a context
    manager, from one thread at a time. Meanwhile the lines lie in a nameless temporary file in
    `folder`, so that memory holds eight bytes a shot, and a killed process leaves nothing behind
    but the manifest of the run before. Shots that were never added are not in the manifest: add
    them as outcomes without result and error to have them as pending.

    Raises:
        OutputRefused: the folder can't be written; from every method.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST_NAME
        self._offsets = array("q")
        with as_output_error(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder)
            self._lines: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, position: int, outcome: Outcome, file: str | None = None) -> None:
        """Note what became of the shot at `position`, counted from 0; the last word counts.

        `file` is the image's path from the folder. Quick enough for the event loop.
        """
        line = ManifestEntry.of(outcome, file).to_json() + b"\n"
        while len(self._offsets) <= position:
            self._offsets.append(_MISSING)
        with as_output_error(self.path):
            offset = self._lines.seek(0, os.SEEK_END)
            self._lines.write(line)
        self._offsets[position] = offset

    def close(self) -> None:
        """Put the manifest in its place, whole or not at all; not for the event loop."""
        if self._lines.closed:
            return
        try:
            with self._lines, replace_atomically(self.path) as part, part.open("xb") as manifest:
                for offset in self._offsets:
                    if offset != _MISSING:
                        self._lines.seek(offset)
                        manifest.write(self._lines.readline())
        finally:
            os.close(self._lock)


def _lock(folder: Path) -> int:
    """Take a folder for this process, until what is given is closed; leaves no file in it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise OutputRefused(
            f"another batch draws into {folder}",
            action="Wait for it, or give another folder with -o. Nothing was sent.",
        ) from None
    except OSError:
        pass  # a file system without locks
    return handle


def read_manifest(path: Path) -> Iterator[ManifestEntry]:
    """Read a manifest line by line; what is wrong with one is told with file and line.

    Raises:
        InvalidRequest: the file can't be read, or a line is no entry.
    """
    try:
        with path.open("rb") as lines:
            yield from _read_lines(path, lines)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"{path} can't be read: {reason}", action=_ACTION) from None


def read_done(folder: Path, provider: str) -> dict[str, ManifestEntry]:
    """Read which shots a folder has as done, by id: made by `provider`, and the file still there.

    Raises:
        InvalidRequest: the file can't be read, or a line is no entry.
    """
    return {
        entry.shot.id: entry
        for entry in read_manifest(folder / MANIFEST_NAME)
        if entry.status is Status.DONE
        and entry.result is not None
        and entry.result.provider == provider
        and entry.file is not None
        and file_in(folder, entry.file).is_file()
    }


def _read_lines(path: Path, lines: IO[bytes]) -> Iterator[ManifestEntry]:
    number = 0
    while line := lines.readline(_LINE_MAX_BYTES + 1):
        number += 1
        if not line.strip():
            continue
        try:
            entry = _read_line(line)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"{path}:{number}: {error.message}", field=error.field, action=_ACTION
            ) from None
        yield entry


def _read_line(line: bytes) -> ManifestEntry:
    if len(line) > _LINE_MAX_BYTES:
        raise InvalidRequest(f"it is longer than {_LINE_MAX_BYTES} bytes")
    return ManifestEntry.from_json(line)
