"""What the processes of one service share: a folder of metrics, and when they stop."""

import fcntl
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "stills-metrics-"


def stop_with_parent() -> None:
    """Shut this worker down gracefully when its parent process is gone.

    Otherwise it would run on, and spend, without control.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()  # the system closes this pipe, however the parent dies
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="stills-parent", daemon=True).start()


@contextmanager
def metrics_folder() -> Iterator[str]:
    """Create the folder in which workers count together, and remove unused ones."""
    _remove_stale()
    folder, held = _make_held()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def hold(folder: str) -> int:
    """Mark a folder as used by this process; it is marked while the returned file is open."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _make_held() -> tuple[str, int]:
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        try:
            held = hold(folder)
        except FileNotFoundError:  # another service took it for a stale one
            continue
        if Path(folder).exists():
            return folder, held
        os.close(held)


def _remove_stale() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another user's, or gone
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(file)
