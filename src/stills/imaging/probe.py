"""What bytes are: a whole PNG, or a picture that can serve as a reference."""

import codecs
import hashlib
import struct
import zlib
from collections.abc import Iterator

from stills.contract.errors import DamagedImage, InvalidReference
from stills.contract.generation import Inspection
from stills.contract.size import Size
from stills.imaging.vips import PIXELS_MAX, first_line, load_vips

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_IHDR_BYTES = 13

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


def inspect_png(data: bytes) -> Inspection:
    """Check every chunk of a PNG, and hash it; pixels are not decoded.

    Raises:
        DamagedImage: it is no PNG, a chunk is damaged or missing, or bytes follow the last one.
    """
    _check_signature(data)
    size: Size | None = None
    has_pixels = False
    for kind, body in _chunks(data):
        if size is None:
            size = _read_header(kind, body)
        elif kind == b"IHDR":
            raise DamagedImage("damaged PNG: it has a second IHDR chunk")
        has_pixels = has_pixels or kind == b"IDAT"
    if size is None or not has_pixels:
        raise DamagedImage("damaged PNG: it has no IDAT chunk, so no pixels")
    return Inspection(size=size, sha256=hashlib.sha256(data).hexdigest())


def media_type(data: bytes) -> str:
    """Tell `image/png`, `image/jpeg` or `image/webp` by the signature and a header that decodes.

    Raises:
        InvalidReference: it is none of these, can't be decoded, or has too many pixels.
    """
    found = _match_signature(data)
    if found is None:
        raise InvalidReference(f"the reference image is {_describe(data)}", field="reference_image")
    size = _decode_size(data, found)
    if size.pixels > PIXELS_MAX:
        raise InvalidReference(
            f"the reference image is {size}: {size.pixels} pixels, the limit is {PIXELS_MAX}",
            field="reference_image",
            action="Scale it down; nothing was sent.",
        )
    return found


def _check_signature(data: bytes) -> None:
    if not data:
        raise DamagedImage("not a PNG: it has no bytes")
    if data.startswith(_PNG_SIGNATURE):
        return
    if _PNG_SIGNATURE.startswith(data):
        raise DamagedImage(f"truncated PNG: it ends at byte {len(data)}, within the signature")
    raise DamagedImage(f"not a PNG: starts with {data[:8]!r}")


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Walk from the signature to the end, checking lengths and checksums."""
    view = memoryview(data)
    offset = len(_PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if offset + 8 > len(data):
            raise DamagedImage(f"truncated PNG: it ends at byte {len(data)}, before chunk IEND")
        length, kind = struct.unpack_from(">I4s", data, offset)
        if not kind.isalpha():
            raise DamagedImage(f"damaged PNG: no chunk starts at byte {offset}: {kind!r}")
        name = kind.decode("ascii")
        end = offset + 12 + length
        if end > len(data):
            raise DamagedImage(
                f"truncated PNG: it ends at byte {len(data)}, "
                f"within chunk {name} of bytes {offset} to {end}"
            )
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if checksum != zlib.crc32(view[offset + 4 : end - 4]):
            raise DamagedImage(f"damaged PNG: wrong checksum of chunk {name} at byte {offset}")
        yield kind, view[offset + 8 : end - 4]
        offset = end
    if offset != len(data):
        raise DamagedImage(f"damaged PNG: {len(data) - offset} bytes follow chunk IEND")


def _read_header(kind: bytes, body: memoryview) -> Size:
    if kind != b"IHDR" or len(body) != _IHDR_BYTES:
        raise DamagedImage(
            f"damaged PNG: starts with chunk {kind.decode('ascii')} of {len(body)} bytes, "
            f"not with IHDR of {_IHDR_BYTES}"
        )
    size = Size(*struct.unpack_from(">II", body))
    if not 0 < size.pixels <= PIXELS_MAX:
        raise DamagedImage(f"damaged PNG: its header says {size} pixels")
    return size


def _match_signature(data: bytes) -> str | None:
    if data.startswith(_PNG_SIGNATURE):
        return "image/png"
    if data.startswith(_JPEG_SIGNATURE):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _decode_size(data: bytes, found: str) -> Size:
    """Open with the one loader of the type found, so that no other loader meets unknown bytes."""
    vips = load_vips()
    try:
        image = getattr(vips.Image, _LOADERS[found])(data)
    except vips.Error as error:
        raise InvalidReference(
            f"the reference image starts like {found}, but can't be decoded: {first_line(error)}",
            field="reference_image",
        ) from None
    return Size(image.width, image.height)


def _describe(data: bytes) -> str:
    """Name what the bytes seem to be, without quoting them: they may be any file of the caller."""
    if not data:
        return "empty"
    for signature, name in _OTHER_KINDS.items():
        if data.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF image, or a video"
    if _is_text(data[:1024]):
        return "text"
    return "of no known kind"


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
