"""BMP as a reference: every common kind is decoded exactly, every other one is refused."""

import struct
from contextlib import suppress

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import InvalidReference
from stills.imaging.reference import prepare_reference

WIDTH, HEIGHT = 21, 17
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def colour(x: int, y: int) -> tuple[int, int, int]:
    return (x * 12, y * 15, (x + y) * 6)


def rows(pixel, *, top_down: bool) -> bytes:
    """Write rows of pixels, each padded to a multiple of four bytes."""
    order = range(HEIGHT) if top_down else range(HEIGHT - 1, -1, -1)
    lines = [b"".join(pixel(x, y) for x in range(WIDTH)) for y in order]
    return b"".join(line + bytes(-len(line) % 4) for line in lines)


def bmp(bits, pixels, *, palette=b"", compression=0, top_down=False, masks=b"", header=40) -> bytes:
    height = -HEIGHT if top_down else HEIGHT
    info = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, 0, 0, 0, 0, 0)
    info = (info + (masks if header > 40 else b"")).ljust(header, b"\0")
    start = 14 + len(info) + len(palette) + (len(masks) if header == 40 else 0)
    outside = masks if header == 40 else b""
    head = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    return head + info + outside + palette + pixels


def bgr(x, y):
    return bytes(reversed(colour(x, y)))


def sent(data: bytes) -> pyvips.Image:
    prepared = prepare_reference(data)
    assert prepared.media_type == "image/png"
    assert prepared.size == (WIDTH, HEIGHT)
    return pyvips.Image.new_from_buffer(prepared.data, "")


def check(image: pyvips.Image, expected) -> None:
    for x, y in ((0, 0), (20, 0), (0, 16), (20, 16), (7, 9)):
        assert tuple(int(value) for value in image.getpoint(x, y)) == expected(x, y)


@pytest.mark.parametrize("top_down", [False, True])
def test_24_bits_are_decoded_exactly(top_down):
    """Rows start at the bottom, unless the height is negative."""
    check(sent(bmp(24, rows(bgr, top_down=top_down), top_down=top_down)), colour)


def test_32_bits_without_masks_have_no_alpha():
    """The fourth byte is undefined there."""
    check(sent(bmp(32, rows(lambda x, y: bgr(x, y) + b"\0", top_down=False))), colour)


@pytest.mark.parametrize("header", [56, 108, 124])
def test_32_bits_with_a_mask_for_alpha_have_alpha(header):
    """Image editors write such files."""
    pixels = rows(lambda x, y: bgr(x, y) + bytes([x + 100]), top_down=False)
    masks = struct.pack("<IIII", *MASKS)
    image = sent(bmp(32, pixels, compression=3, masks=masks, header=header))
    check(image, lambda x, y: (*colour(x, y), x + 100))


def test_masks_give_the_order_of_the_colours():
    """Here red comes first."""
    pixels = rows(lambda x, y: bytes(colour(x, y)) + b"\0", top_down=False)
    masks = struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    check(sent(bmp(32, pixels, compression=3, masks=masks)), colour)


def test_the_oldest_header_is_decoded():
    """OS/2's has 12 bytes, and three bytes for each colour."""
    pixels = rows(lambda x, _: bytes([x]), top_down=False)
    palette = b"".join(bytes(reversed(colour(x, 3))) for x in range(256) if x < WIDTH)
    palette = palette.ljust(768, b"\0")
    info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 8)
    start = 14 + 12 + 768
    head = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    check(sent(head + info + palette + pixels), lambda x, _: colour(x, 3))


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_palette_is_applied(bits):
    """Two, sixteen or 256 colours."""
    count = min(1 << bits, 16)
    palette = b"".join(bytes(reversed(colour(index, index))) + b"\0" for index in range(count))

    def line(y: int) -> bytes:
        indexes = [(x + y) % count for x in range(WIDTH)]
        digits = "".join(format(index, f"0{bits}b") for index in indexes)
        digits += "0" * (-len(digits) % 32)
        return int(digits, 2).to_bytes(len(digits) // 8)

    pixels = b"".join(line(y) for y in range(HEIGHT - 1, -1, -1))
    image = sent(bmp(bits, pixels, palette=palette.ljust(4 << bits, b"\0")))
    check(image, lambda x, y: colour((x + y) % count, (x + y) % count))


GOOD = bmp(24, rows(bgr, top_down=False))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GOOD[:-1], "it ends before its last pixel"),
        (GOOD[:40], "its header is cut off"),
        (bmp(16, bytes(2000)), "16 bits a pixel"),
        (bmp(8, bytes(2000), compression=1), "compression 1"),
        (bmp(24, bytes(2000), compression=4), "compression 4"),
        (bmp(32, bytes(2000), compression=3, masks=struct.pack("<III", 7, 56, 448)), "whole bytes"),
    ],
)
def test_a_damaged_or_rare_bmp_is_refused(data, said):
    """The error says what to do instead."""
    with pytest.raises(InvalidReference, match=said) as caught:
        prepare_reference(data)
    assert "PNG or JPEG" in caught.value.action


@given(st.integers(14, len(GOOD) - 1), st.binary(max_size=8))
def test_any_change_is_decoded_or_refused(at, change):
    """No bytes raise anything but InvalidReference."""
    with suppress(InvalidReference):
        prepare_reference(GOOD[:at] + change + GOOD[at + len(change) :])
