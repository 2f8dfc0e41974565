"""The manifest of a batch: `manifest.jsonl`, one entry per line, in input order."""

import fcntl
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
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
_ACTION = "Use a manifest.jsonl that `stills batch` wrote."


class ManifestWriter:
    """Takes outcomes in any order, and writes them in input order when it is closed.

    It locks the folder: another run into it is refused. Use it as a context manager, from one
    thread at a time. Until it is closed, the lines are in an unnamed temporary file in `folder`:
    memory holds eight bytes per shot, and a killed process leaves the earlier manifest unchanged.
    Only shots that are added are in the manifest; an outcome without result and error is pending.

    Raises:
        OutputRefused: the folder can't be written, or another run uses it; from every method.
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
        """Add the outcome of the shot at `position`, from 0; a second one replaces the first.

        `file` is the image's path in the folder. Fast enough for the event loop.
        """
        self.add_entry(position, ManifestEntry.of(outcome, file))

    def add_entry(self, position: int, entry: ManifestEntry) -> None:
        """Add an entry, as `add` does."""
        line = entry.to_json() + b"\n"
        while len(self._offsets) <= position:
            self._offsets.append(_MISSING)
        with as_output_error(self.path):
            offset = self._lines.seek(0, os.SEEK_END)
            self._lines.write(line)
        self._offsets[position] = offset

    def append_entry(self, entry: ManifestEntry) -> None:
        """Add an entry after all others."""
        self.add_entry(len(self._offsets), entry)

    def abandon(self) -> None:
        """Leave the manifest as it is, and unlock the folder."""
        if not self._lines.closed:
            self._lines.close()
            os.close(self._lock)

    def close(self) -> None:
        """Write the manifest atomically, and unlock the folder. Blocks."""
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


def rewrite_manifest(
    folder: Path, change: Callable[[Sequence[ManifestEntry]], Sequence[ManifestEntry]]
) -> None:
    """Replace the entries of a manifest, while no run can write to it. Blocks.

    Raises:
        InvalidRequest: the manifest can't be read.
        OutputRefused: it can't be written, or a run is writing to the folder.
    """
    path = folder / MANIFEST_NAME
    with as_output_error(path):
        lock = _lock(folder)
    try:
        entries = list(read_manifest(path))
        changed = change(entries)
        if changed != entries:
            with replace_atomically(path) as part:
                part.write_bytes(b"".join(entry.to_json() + b"\n" for entry in changed))
    finally:
        os.close(lock)


def _lock(folder: Path) -> int:
    """Lock a folder until the returned file descriptor is closed, without a file in it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise OutputRefused(
            f"another batch is writing to {folder}",
            action="Nothing was sent. Wait for it to end, or use another folder with -o.",
        ) from None
    except OSError:
        pass  # a file system without locks
    return handle


def read_manifest(path: Path) -> Iterator[ManifestEntry]:
    """Read a manifest line by line.

    Raises:
        InvalidRequest: the file can't be read, or a line is not a valid entry; it is named.
    """
    try:
        with path.open("rb") as lines:
            yield from _read_lines(path, lines)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"{path} can't be read: {reason}", action=_ACTION) from None


def read_done(folder: Path, provider: str | None = None) -> dict[str, ManifestEntry]:
    """Read the entries of shots that are done, by id, whose files exist.

    With `provider`, they are only those that it made.

    Raises:
        InvalidRequest: the manifest can't be read, or a line is not a valid entry.
    """
    return {
        entry.shot.id: entry
        for entry in read_manifest(folder / MANIFEST_NAME)
        if entry.status is Status.DONE
        and entry.result is not None
        and provider in {None, entry.result.provider}
        and entry.file is not None
        and file_in(folder, entry.file).is_file()
    }


def read_earlier(folder: Path, provider: str | None = None) -> dict[str, ManifestEntry]:
    """Read what an earlier run did, by id; with `provider`, without images that others made.

    Without a manifest, or with a damaged one, nothing is known. Blocks.
    """
    try:
        return {
            entry.shot.id: entry
            for entry in read_manifest(folder / MANIFEST_NAME)
            if entry.result is None or provider in {None, entry.result.provider}
        }
    except InvalidRequest:
        return {}


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
        raise InvalidRequest(f"the line is longer than {_LINE_MAX_BYTES} bytes")
    return ManifestEntry.from_json(line)
