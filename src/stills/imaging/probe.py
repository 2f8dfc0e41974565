"""Checking bytes: a complete PNG, or an image that can serve as a reference."""

import codecs
import hashlib
import struct
import zlib

from stills.contract.errors import DamagedImage, InvalidReference
from stills.contract.generation import Chunks, Inspection
from stills.contract.size import Size
from stills.imaging.chunks import ChunkReader, crc32_of
from stills.imaging.vips import PIXELS_MAX, decoding, first_line, load_vips, open_png

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_IHDR_BYTES = 13
_CHUNK_HEAD_BYTES = 8  # length and kind
_CHECKSUM_BYTES = 4
_CHUNK_HEAD = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")

_LOADERS = {
    "image/png": "pngload_buffer",
    "image/jpeg": "jpegload_buffer",
    "image/webp": "webpload_buffer",
}

_OTHER_KINDS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
}


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
        open_png(png if isinstance(png, bytes) else b"".join(png)).avg()


def media_type(data: bytes) -> str:
    """Return `image/png`, `image/jpeg` or `image/webp`, after decoding every pixel.

    Raises:
        InvalidReference: it is something else, can't be decoded, or has too many pixels.
    """
    found = _match_signature(data)
    if found is None:
        raise InvalidReference(f"reference_image is {_describe(data)}", field="reference_image")
    vips = load_vips()
    try:
        # Only the loader of this type, so that no other loader sees untrusted bytes.
        image = getattr(vips.Image, _LOADERS[found])(data, access="sequential", fail_on="truncated")
        _check_size(Size(image.width, image.height))
        image.avg()  # decodes it to its end
    except vips.Error as error:
        raise InvalidReference(
            f"reference_image starts like {found}, but can't be decoded: {first_line(error)}",
            field="reference_image",
        ) from None
    return found


def _check_size(size: Size) -> None:
    if size.pixels > PIXELS_MAX:
        raise InvalidReference(
            f"reference_image is {size}: {size.pixels} pixels, the limit is {PIXELS_MAX}",
            field="reference_image",
            action="Scale it down; nothing was sent.",
        )


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


def _match_signature(data: bytes) -> str | None:
    if data.startswith(_PNG_SIGNATURE):
        return "image/png"
    if data.startswith(_JPEG_SIGNATURE):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _describe(data: bytes) -> str:
    """Name the kind of file without quoting it, because it may be any file of the caller's."""
    if not data:
        return "empty"
    for signature, name in _OTHER_KINDS.items():
        if data.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF image, or a video"
    if _is_text(data[:1024]):
        return "text"
    return "of an unknown type"


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
