"""A lock that a process holds as long as it lives, so that others can judge it without its pid.

Containers that share a catalog don't see each other's pids, but on one kernel they see each other's
file locks, also those of a paused process. Each open catalog locks one byte of a file next to it.
These are open file description locks (fcntl(2), Linux): closing another descriptor of the same file
doesn't release them. Elsewhere there is no lock, and the lease decides.
"""

import os
import secrets
import struct
import sys
import weakref
from contextlib import suppress
from pathlib import Path

from stills.catalog.processes import Life, judge, this_process

if sys.platform == "linux":
    import fcntl

SUFFIX = "-holders"
_FLOCK = "hhqqi"  # l_type, l_whence, l_start, l_len, l_pid
_BYTES_BITS = 62

_OPEN: "weakref.WeakSet[HolderLock]" = weakref.WeakSet()


class HolderLock:
    """The lock of one open catalog; only the catalog's thread uses it."""

    def __init__(self, catalog: Path) -> None:
        self._path = catalog.with_name(catalog.name + SUFFIX)
        self._descriptor: int | None = None
        self._byte: int | None = None
        _OPEN.add(self)

    def hold(self) -> int | None:
        """Lock a byte at the first call; returns its offset, None if that is not possible here."""
        if self._byte is None and sys.platform == "linux":
            byte = secrets.randbits(_BYTES_BITS)
            with suppress(OSError):
                fcntl.fcntl(self._open(), fcntl.F_OFD_SETLK, _write_lock(byte))
                self._byte = byte
        return self._byte

    def judge(
        self, scope: str | None, pid: int, started: int | None, lock_byte: int | None
    ) -> Life:
        """Return what is known about a process, by its pid or else by its lock."""
        life = judge(scope, pid, started)
        if life is not Life.UNKNOWN or lock_byte is None:
            return life
        is_locked = lock_byte == self._byte or self._is_locked(lock_byte)
        if is_locked:
            return Life.ALIVE
        # Locks of another kernel may not be visible here, so a missing one proves nothing.
        return Life.DEAD if is_locked is False and _is_same_boot(scope) else Life.UNKNOWN

    def _is_locked(self, byte: int) -> bool | None:
        if sys.platform != "linux":
            return None
        try:
            found = fcntl.fcntl(self._open(), fcntl.F_OFD_GETLK, _write_lock(byte))
        except OSError:
            return None
        return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Release the lock."""
        descriptor, self._descriptor, self._byte = self._descriptor, None, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return self._descriptor


def _write_lock(byte: int) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)


def _is_same_boot(scope: str | None) -> bool:
    own = this_process().scope
    return scope is not None and own is not None and scope.split()[0] == own.split()[0]


def _close_all() -> None:
    for lock in list(_OPEN):
        lock.close()


if hasattr(os, "register_at_fork"):
    # A forked child shares its parent's locks, and would keep them after the parent's death.
    os.register_at_fork(after_in_child=_close_all)
