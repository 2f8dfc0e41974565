"""Native libraries that a forked child can't use because its parent used them before the fork.

libvips and obstore keep threads. A forked child inherits their lists of threads, but not the
threads, so calls in the child would wait forever.
"""

import os

from stills.contract.errors import ForkedProcess


class _Libraries:
    """The native libraries used in this process, and those used in its parent before the fork."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.lost: frozenset[str] = frozenset()
        os.register_at_fork(after_in_child=self._lose)

    def _lose(self) -> None:
        self.lost |= self.used
        self.used.clear()


_libraries = _Libraries()


def begin_use(library: str) -> None:
    """Record that a native library is used in this process.

    Raises:
        ForkedProcess: the parent used it before this process was forked.
    """
    if library in _libraries.lost:
        raise ForkedProcess(f"{library} can't be used here: the parent used it before the fork")
    _libraries.used.add(library)


def has_lost_libraries() -> bool:
    """Return whether this is a child of a process that used a native library before the fork."""
    return bool(_libraries.lost)


def check_libraries() -> None:
    """Fail before anything is sent if a library that is needed later can't be used.

    Raises:
        ForkedProcess: the parent used one before this process was forked.
    """
    for library in _libraries.lost:
        begin_use(library)
