"""The file of a review, `review.json`: read strictly, changed under a lock, written atomically."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from stills.batch.image_files import IMAGES_FOLDER, REVIEW_NAME
from stills.contract.atomic_file import as_output_error, replace_atomically
from stills.contract.errors import InvalidRequest, OutputRefused
from stills.review.records import Review
from stills.review.review_json import read_review_json, write_review

_MAX_BYTES = 64 * 1024 * 1024
_BOARD_BYTES = 8
_LOCK_SECONDS = 10.0
_LOCK_EVERY_SECONDS = 0.05


def read_review(folder: Path) -> Review:
    """Read the review of a folder; a new one if there is none. Blocks.

    Raises:
        InvalidRequest: the file can't be read, or is not a review.
    """
    path = folder / REVIEW_NAME
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return Review(board="")
    except OSError as error:
        raise InvalidRequest(f"{path} can't be read: {error.strerror or error}") from None
    if len(data) > _MAX_BYTES:
        raise InvalidRequest(f"{path} has more than {_MAX_BYTES} bytes")
    try:
        return read_review_json(data)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"{path}: {error.message}",
            field=error.field,
            action=error.action or "Restore the file, or move it away to begin a new review.",
        ) from None


def change_review(folder: Path, change: Callable[[Review], Review]) -> Review:
    """Change the review of a folder, and write it if it is different. Blocks.

    Two processes that do this at the same time wait for each other.

    Raises:
        InvalidRequest: the file is not a review, or `change` refuses.
        OutputRefused: it can't be written.
    """
    path = folder / REVIEW_NAME
    with _locked(folder):
        before = read_review(folder)
        after = change(before)
        if after != before or not path.exists():
            after = replace(after, board=after.board or secrets.token_hex(_BOARD_BYTES))
            with replace_atomically(path) as part:
                part.write_bytes(write_review(after))
    return after


def now() -> str:
    """Return the time in UTC, for comments and changes."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the review: a run has the lock of the folder itself, so this is that of its images."""
    path = folder / IMAGES_FOLDER
    with as_output_error(folder / REVIEW_NAME):
        path.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
    try:
        _wait_for(handle, folder)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, folder: Path) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OutputRefused(
                    f"another process is changing the review of {folder}",
                    action="Wait for it to end, then try again.",
                ) from None
            time.sleep(_LOCK_EVERY_SECONDS)
        except OSError:
            return  # a file system without locks
        else:
            return
