"""Checking the bytes of a PNG."""

import hashlib
import struct
import zlib

from stills.contract.errors import DamagedImage
from stills.contract.generation import Chunks, Inspection
from stills.contract.size import Size
from stills.imaging.chunks import ChunkReader, crc32_of
from stills.imaging.vips import PIXELS_MAX, decoding, open_png

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR_BYTES = 13
_CHUNK_HEAD_BYTES = 8  # length and kind
_CHECKSUM_BYTES = 4
_CHUNK_HEAD = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")


def inspect_png(png: bytes | Chunks) -> Inspection:
    """Check every chunk of a PNG, and hash it; pixels are not decoded.

    Raises:
        DamagedImage: it is not a PNG, a chunk is damaged or missing, or bytes follow the last one.
    """
    chunks = [png] if isinstance(png, bytes) else png
    reader = ChunkReader(chunks)
    _check_signature(reader)
    size = _read_header(reader)
    _check_chunks(reader)
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return Inspection(size=size, sha256=digest.hexdigest(), byte_count=reader.total)


def check_pixels(png: bytes | Chunks) -> None:
    """Decode every pixel of a PNG, because intact chunks may contain undecodable data.

    Raises:
        DamagedImage: it can't be decoded to its end, or has too many pixels.
    """
    with decoding():
        image = open_png(png if isinstance(png, bytes) else b"".join(png))
        # Rows are decoded from top to bottom, so the last one needs all others.
        image.crop(0, image.height - 1, image.width, 1).avg()


def _check_signature(reader: ChunkReader) -> None:
    found = reader.read(len(_PNG_SIGNATURE))
    if not found:
        raise DamagedImage("not a PNG: it is empty")
    if found == _PNG_SIGNATURE:
        return
    if _PNG_SIGNATURE.startswith(found):
        raise DamagedImage(f"truncated PNG: it ends at byte {reader.total}, within the signature")
    raise DamagedImage(f"not a PNG: starts with {found!r}")


def _read_header(reader: ChunkReader) -> Size:
    kind, length, start = _begin_chunk(reader)
    if kind != b"IHDR" or length != _IHDR_BYTES:
        raise DamagedImage(
            f"damaged PNG: starts with chunk {kind.decode('ascii')} of {length} bytes, "
            f"not with IHDR of {_IHDR_BYTES}"
        )
    body = reader.read(_IHDR_BYTES)
    _check_sum(reader, kind, start, zlib.crc32(kind + body))
    size = Size(*struct.unpack_from(">II", body))
    if not 0 < size.pixels <= PIXELS_MAX:
        raise DamagedImage(f"damaged PNG: its header says {size} pixels")
    return size


def _check_chunks(reader: ChunkReader) -> None:
    """Check order, lengths and checksums of the chunks after the header."""
    kinds: set[bytes] = set()
    while b"IEND" not in kinds:
        if _skip_intact_chunks(reader, kinds):
            continue
        kind, length, start = _begin_chunk(reader)
        if kind == b"IHDR":
            raise DamagedImage("damaged PNG: it has a second IHDR chunk")
        _check_sum(reader, kind, start, reader.crc32(length, zlib.crc32(kind)))
        kinds.add(kind)
    if reader.left:
        raise DamagedImage(f"damaged PNG: {reader.left} bytes follow chunk IEND")
    if b"IDAT" not in kinds:
        raise DamagedImage("damaged PNG: it has no IDAT chunk, so no pixels")


def _skip_intact_chunks(reader: ChunkReader, kinds: set[bytes]) -> bool:
    """Skip the intact PNG chunks inside the current block of bytes; False if there are none.

    A PNG has hundreds of chunks, nearly all inside one block: this saves several calls for each.
    """
    view, first = reader.here()
    start, last_head = first, len(view) - _CHUNK_HEAD_BYTES
    while start <= last_head and b"IEND" not in kinds:
        length, kind = _CHUNK_HEAD.unpack_from(view, start)
        end = start + _CHUNK_HEAD_BYTES + length
        if end + _CHECKSUM_BYTES > len(view) or kind == b"IHDR" or not kind.isalpha():
            break
        if crc32_of(view[start + 4 : end]) != _CHECKSUM.unpack_from(view, end)[0]:
            break
        kinds.add(kind)
        start = end + _CHECKSUM_BYTES
    reader.skip(start - first)
    return start > first


def _begin_chunk(reader: ChunkReader) -> tuple[bytes, int, int]:
    """Read a chunk's kind, body length and start, in bytes, and check that it is complete."""
    start = reader.offset
    if reader.left < _CHUNK_HEAD_BYTES:
        raise DamagedImage(f"truncated PNG: it ends at byte {reader.total}, before chunk IEND")
    length, kind = _CHUNK_HEAD.unpack(reader.read(_CHUNK_HEAD_BYTES))
    if not kind.isalpha():
        raise DamagedImage(f"damaged PNG: no chunk starts at byte {start}: {kind!r}")
    if reader.left < length + _CHECKSUM_BYTES:
        raise DamagedImage(
            f"truncated PNG: it ends at byte {reader.total}, within chunk {kind.decode('ascii')} "
            f"of bytes {start} to {start + _CHUNK_HEAD_BYTES + length + _CHECKSUM_BYTES}"
        )
    return kind, length, start


def _check_sum(reader: ChunkReader, kind: bytes, start: int, checksum: int) -> None:
    if checksum != int.from_bytes(reader.read(_CHECKSUM_BYTES)):
        name = kind.decode("ascii")
        raise DamagedImage(f"damaged PNG: wrong checksum of chunk {name} at byte {start}")
