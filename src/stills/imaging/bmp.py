"""Decoding BMP, which this build of libvips can't: uncompressed, 1, 4, 8, 24 or 32 bits a pixel.

Source: Microsoft's documentation of BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER and
BITMAPV5HEADER.
"""

import struct
from dataclasses import dataclass
from typing import Any

from stills.contract.size import Size
from stills.imaging.vips import load_vips

_FILE_HEADER_BYTES = 14
_CORE_HEADER_BYTES = 12
_INFO_HEADER_BYTES = 40
_ALPHA_HEADER_BYTES = 56  # of the first version with a mask for alpha
_UNCOMPRESSED, _BIT_FIELDS = 0, 3
_HAS_MASKS = 32
_BITS = (1, 4, 8, 24, 32)
_PALETTE_BITS_MAX = 8
_PLACES = {0xFF << 8 * place: place for place in range(4)}
_BGR = (2, 1, 0)
_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))


class UndecodableBmp(Exception):
    """A BMP that is damaged or of a rare kind; the message says which."""


@dataclass(frozen=True, slots=True)
class BmpHeader:
    """The header of a BMP. Bytes count from the start of the file.

    `palette` lists a red, a green and a blue byte for each index. `places` are the positions of
    red, green, blue and, if there are four, alpha within a pixel.
    """

    size: Size
    bits: int
    is_top_down: bool
    pixels_at: int
    palette: bytes
    places: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """The bytes of a row; in the file, zeros follow up to a multiple of four."""
        return (self.size.width * self.bits + 7) // 8


def read_bmp_header(data: bytes) -> BmpHeader:
    """Read the header of a BMP.

    Raises:
        UndecodableBmp: it is damaged, or of a kind that is not supported.
    """
    try:
        (pixels_at,) = struct.unpack_from("<I", data, 10)
        (header_bytes,) = struct.unpack_from("<I", data, _FILE_HEADER_BYTES)
        compression, masks, entry_bytes, colours = _UNCOMPRESSED, (0, 0, 0, 0), 4, 0
        if header_bytes == _CORE_HEADER_BYTES:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            entry_bytes = 3
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
            (colours,) = struct.unpack_from("<I", data, 46)
            if compression == _BIT_FIELDS:
                masks = struct.unpack_from("<IIII", data, 54)
    except struct.error:
        raise UndecodableBmp("its header is cut off") from None
    if width <= 0 or height == 0:
        raise UndecodableBmp(f"its header says {width}*{abs(height)} pixels")
    if bits not in _BITS or not (
        compression == _UNCOMPRESSED or (compression == _BIT_FIELDS and bits == _HAS_MASKS)
    ):
        raise UndecodableBmp(f"a BMP of {bits} bits a pixel and compression {compression}")
    palette_at = _FILE_HEADER_BYTES + header_bytes
    return BmpHeader(
        size=Size(width, abs(height)),
        bits=bits,
        is_top_down=height < 0,
        pixels_at=pixels_at,
        palette=_read_palette(data[palette_at:pixels_at], entry_bytes, colours, bits),
        places=_read_places(masks, has_alpha=header_bytes >= _ALPHA_HEADER_BYTES),
    )


def open_bmp(data: bytes) -> Any:  # noqa: ANN401 - pyvips is not typed
    """Decode a BMP completely, as 8-bit sRGB, with alpha if it has any.

    Raises:
        UndecodableBmp: it is damaged, or of a kind that is not supported.
    """
    header = read_bmp_header(data)
    width, height = header.size
    stride = (header.row_bytes + 3) // 4 * 4
    if header.pixels_at + stride * height > len(data):
        raise UndecodableBmp("it ends before its last pixel")
    order = range(height) if header.is_top_down else range(height - 1, -1, -1)
    starts = (header.pixels_at + stride * row for row in order)
    rows = (data[start : start + header.row_bytes] for start in starts)
    vips = load_vips()
    if header.bits <= _PALETTE_BITS_MAX:
        indexes = b"".join(_unpack(row, header.bits)[:width] for row in rows)
        image = vips.Image.new_from_memory(indexes, width, height, 1, "uchar")
        palette = vips.Image.new_from_memory(header.palette, 256, 1, 3, "uchar")
        return image.maplut(palette).copy(interpretation="srgb")
    image = vips.Image.new_from_memory(b"".join(rows), width, height, header.bits // 8, "uchar")
    red, *others = (image[place] for place in header.places)
    return red.bandjoin(others).copy(interpretation="srgb")


def _read_palette(entries: bytes, entry_bytes: int, colours: int, bits: int) -> bytes:
    if bits > _PALETTE_BITS_MAX:
        return b""
    most = min(colours or 1 << bits, 1 << bits) * entry_bytes
    blue, green, red = (entries[place:most:entry_bytes] for place in range(3))
    colours_given = bytes(byte for colour in zip(red, green, blue, strict=False) for byte in colour)
    return colours_given.ljust(256 * 3, b"\0")


def _read_places(masks: tuple[int, ...], *, has_alpha: bool) -> tuple[int, ...]:
    if not any(masks):
        return _BGR
    wanted = masks if has_alpha and masks[3] else masks[:3]
    try:
        return tuple(_PLACES[mask] for mask in wanted)
    except KeyError:
        raise UndecodableBmp("a BMP whose colours are not whole bytes") from None


def _unpack(row: bytes, bits: int) -> bytes:
    """Return one byte for each index of a row, and for its padding."""
    if bits == _PALETTE_BITS_MAX:
        return row
    if bits == 1:
        return f"{int.from_bytes(row):0{8 * len(row)}b}".encode().translate(_DIGITS)
    return row.hex().encode().translate(_DIGITS)
