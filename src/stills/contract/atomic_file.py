"""Files that are written completely or not at all, and a check before the work is paid for."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stills.contract.errors import OutputRefused


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a part file to write, and move it to `path` when the body succeeds.

    Raises:
        OutputRefused: the file can't be written.
    """
    with as_output_error(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_file(path) as part:
            yield part


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """Yield a new name next to `path`, and move that file to `path` when the body succeeds.

    Raises:
        OSError: it can't be moved.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")  # short: the name may be at its limit
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def as_output_error(path: Path) -> Iterator[None]:
    """Translate an OSError of the body to OutputRefused."""
    try:
        yield
    except OSError as error:
        raise OutputRefused(f"{path} can't be written: {error.strerror or error}") from error


def check_writable(path: Path) -> None:
    """Check that a file can be created at `path`, with its folders; leaves nothing behind.

    It tries the real operations in a temporary folder, where no other process sees them. Blocks.

    Raises:
        OutputRefused: it can't be created.
    """
    try:
        target = path.resolve()
        check_replaceable(target)
        _try(target)
    except OSError as error:
        raise OutputRefused(
            f"{path} can't be written: {error.strerror or error}",
            action="Choose a path that can be written; nothing was paid for.",
        ) from error


def check_replaceable(path: Path) -> None:
    """Check that `path` is free, or is a regular file that can be written.

    Raises:
        OSError: it is neither.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if path.exists():
        if not path.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _try(path: Path) -> None:
    folder, missing = path.parent, Path(path.name)
    while not folder.exists():
        folder, missing = folder.parent, folder.name / missing
    trial = folder / f".{secrets.token_hex(8)}.part"
    trial.mkdir()
    try:
        (trial / missing).parent.mkdir(parents=True, exist_ok=True)
        (trial / missing).touch()
    finally:
        shutil.rmtree(trial, ignore_errors=True)
