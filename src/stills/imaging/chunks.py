"""Reading bytes that are split into chunks, without joining them."""

import zlib

from stills.contract.generation import Chunks

# zlib releases the GIL for more bytes than this. With other threads running, getting it back takes
# three times as long as the checksum itself, for each of a PNG's many chunks.
_CRC_STEP_BYTES = 5 * 1024


def crc32_of(view: memoryview | bytes, checksum: int = 0) -> int:
    """Add bytes to a checksum, in steps that keep the GIL."""
    for start in range(0, len(view), _CRC_STEP_BYTES):
        checksum = zlib.crc32(view[start : start + _CRC_STEP_BYTES], checksum)
    return checksum


class ChunkReader:
    """A reader over chunks of bytes; `offset` is its position, `total` the number of bytes."""

    def __init__(self, chunks: Chunks) -> None:
        self._views = [memoryview(chunk) for chunk in chunks]
        self._index = 0
        self._at = 0
        self.offset = 0
        self.total = sum(len(view) for view in self._views)

    @property
    def left(self) -> int:
        """Number of bytes left."""
        return self.total - self.offset

    def read(self, byte_count: int) -> bytes:
        """Read bytes; fewer at the end."""
        data = bytes(self._next(byte_count))
        while len(data) < byte_count and self.left:
            data += self._next(byte_count - len(data))
        return data

    def here(self) -> tuple[memoryview, int]:
        """Return the current chunk and the position in it."""
        if self._index < len(self._views):
            return self._views[self._index], self._at
        return memoryview(b""), 0

    def skip(self, byte_count: int) -> None:
        """Skip bytes within the current chunk."""
        self._at += byte_count
        self.offset += byte_count

    def crc32(self, byte_count: int, checksum: int) -> int:
        """Read bytes and add them to a checksum."""
        end = self.offset + min(byte_count, self.left)
        while self.offset < end:
            checksum = crc32_of(self._next(end - self.offset), checksum)
        return checksum

    def _next(self, byte_count: int) -> memoryview | bytes:
        """Read bytes within one chunk; none at the end."""
        chunk = self._views[self._index] if self._index < len(self._views) else b""
        step = chunk[self._at : self._at + byte_count]
        while not step and self.left and byte_count:
            self._index, self._at = self._index + 1, 0
            step = self._views[self._index][:byte_count]
        self._at += len(step)
        self.offset += len(step)
        return step
