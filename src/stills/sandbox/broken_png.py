"""PNGs with intact chunks whose pixels no reader can decode."""

import struct
import zlib
from collections.abc import Callable, Mapping

from stills.sandbox.faults import FaultKind

_SIGNATURE_BYTES = 8
_CHUNK_EXTRA_BYTES = 12  # length, kind and checksum
_NO_SUCH_FILTER = 9
_NO_SUCH_BIT_DEPTH = 3
_PALETTE = 3
_RGB_BYTES = 3


def break_pixels(png: bytes, kind: FaultKind) -> bytes:
    """Break an RGB placeholder in one of the ways in `BREAKS`; every checksum stays correct."""
    width, height = struct.unpack_from(">II", png, 16)
    header, data = BREAKS[kind](width, height, zlib.decompress(_body(png, b"IDAT")))
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return png[:_SIGNATURE_BYTES] + b"".join(_chunk(*chunk) for chunk in chunks)


def _short_idat(width: int, height: int, rows: bytes) -> tuple[bytes, bytes]:
    return _header(width, height), zlib.compress(rows[: len(rows) // 2])


def _garbage_idat(width: int, height: int, rows: bytes) -> tuple[bytes, bytes]:
    return _header(width, height), rows


def _bad_filter(width: int, height: int, rows: bytes) -> tuple[bytes, bytes]:
    broken = bytearray(rows)
    broken[height // 2 * (width * _RGB_BYTES + 1)] = _NO_SUCH_FILTER
    return _header(width, height), zlib.compress(broken)


def _impossible_header(width: int, height: int, rows: bytes) -> tuple[bytes, bytes]:
    return _header(width, height, bit_depth=_NO_SUCH_BIT_DEPTH), zlib.compress(rows)


def _no_palette(width: int, height: int, _rows: bytes) -> tuple[bytes, bytes]:
    return _header(width, height, colour_type=_PALETTE), zlib.compress(bytes((width + 1) * height))


BREAKS: Mapping[FaultKind, Callable[[int, int, bytes], tuple[bytes, bytes]]] = {
    FaultKind.SHORT_IDAT: _short_idat,
    FaultKind.GARBAGE_IDAT: _garbage_idat,
    FaultKind.BAD_FILTER: _bad_filter,
    FaultKind.IMPOSSIBLE_HEADER: _impossible_header,
    FaultKind.NO_PALETTE: _no_palette,
}


def _header(width: int, height: int, *, bit_depth: int = 8, colour_type: int = 2) -> bytes:
    return struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)


def _body(png: bytes, wanted: bytes) -> bytes:
    """Join the bodies of all chunks of one kind."""
    body, at = b"", _SIGNATURE_BYTES
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == wanted:
            body += png[at + 8 : at + 8 + length]
        at += length + _CHUNK_EXTRA_BYTES
    return body


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum
