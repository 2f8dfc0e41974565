"""The volume that a catalog lies on: SQLite says `disk I/O error`, and not what the matter is."""

import os
from pathlib import Path

_READ_ONLY, _FULL = "the volume is read-only", "no space is left on the volume"
_ROOM_BYTES = 65536  # for the two files that SQLite makes beside a catalog in use


def trouble_with(path: Path) -> str:
    """Say what keeps a file, or one beside it, from being written; nothing if it is unknown."""
    if os.name != "posix":
        return ""
    folder = path.parent
    try:
        volume = os.statvfs(folder)
    except OSError:
        return ""
    if volume.f_flag & os.ST_RDONLY:
        return _READ_ONLY
    if volume.f_bavail * volume.f_frsize < _ROOM_BYTES:
        return _FULL
    for needed in (folder, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            return f"{needed} may not be written"
    return ""


def is_frozen(path: Path) -> bool:
    """Tell whether nobody at all can write a file: its volume is read-only, or full."""
    return trouble_with(path) in (_READ_ONLY, _FULL)
