"""Why a catalog can't be written: SQLite only says `disk I/O error`."""

import os
from pathlib import Path

_READ_ONLY, _FULL = "the volume is read-only", "no space is left on the volume"
_SPACE_BYTES = 65536  # for the two files that SQLite creates next to an open database


def find_write_problem(path: Path) -> str:
    """Return what prevents writing to a file and its folder; an empty string if that is unknown."""
    if os.name != "posix":
        return ""
    folder = path.parent
    try:
        volume = os.statvfs(folder)
    except OSError:
        return ""
    if volume.f_flag & os.ST_RDONLY:
        return _READ_ONLY
    if volume.f_bavail * volume.f_frsize < _SPACE_BYTES:
        return _FULL
    for needed in (folder, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            return f"{needed} is not writable"
    return ""


def is_frozen(path: Path) -> bool:
    """Return whether no process at all can write a file: its volume is read-only or full."""
    return find_write_problem(path) in (_READ_ONLY, _FULL)
