"""What a list contained when it was read first, for the readings after it."""

import pickle
import weakref
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

from stills.shotlist.shots import Problem, Shot

_MEMORY_BYTES = 200_000  # a longer list goes into a temporary file
_CHUNK = 100  # items


class Remembered:
    """Shots and problems in a file without a name, which only this process can read or write.

    A list is checked before it is used. Reading it back takes a fifth of the time, and gives what
    was checked, even if the list has been changed since.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - see finalizer
        self._chunk: list[Shot | Problem] = []
        self._finalizer = weakref.finalize(self, self._file.close)

    def add(self, item: Shot | Problem) -> None:
        """Remember one more."""
        self._chunk.append(item)
        if len(self._chunk) == _CHUNK:
            self._write()

    def finish(self) -> bool:
        """Return whether everything that was added is remembered: the disk may be full."""
        self._write()
        return not self._file.closed

    def forget(self) -> None:
        """Free the room."""
        self._finalizer()

    def __iter__(self) -> Iterator[Shot | Problem]:
        start, end = 0, self._file.seek(0, 2)
        while start < end:
            self._file.seek(start)
            chunk = pickle.load(self._file)  # noqa: S301 - nobody else can write to it
            start = self._file.tell()
            yield from chunk

    def _write(self) -> None:
        chunk, self._chunk = self._chunk, []
        if self._file.closed or not chunk:
            return
        try:
            pickle.dump(chunk, self._file, pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except OSError:  # the list can be read again
            self.forget()
