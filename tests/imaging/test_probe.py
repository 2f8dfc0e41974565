"""Checking PNGs."""

import hashlib
import struct
import zlib
from contextlib import suppress

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import DamagedImage
from stills.contract.size import Size
from stills.imaging.probe import check_pixels, inspect_png

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


IDAT = chunk(b"IDAT", b"pixels")
IEND = chunk(b"IEND")
PNG = SIGNATURE + header(2, 2) + IDAT + IEND
PICTURE = pyvips.Image.black(8, 6).bandjoin([9, 200]).copy(interpretation="srgb")


def test_a_complete_png_has_a_size_and_a_hash():
    """The size is from the header, the hash of all bytes."""
    inspection = inspect_png(PNG)
    assert inspection.size == Size(2, 2)
    assert inspection.sha256 == hashlib.sha256(PNG).hexdigest()


def test_a_png_of_another_writer_is_complete():
    """A PNG that libvips writes passes."""
    assert inspect_png(PICTURE.pngsave_buffer()).size == Size(8, 6)


def test_additional_chunks_are_allowed():
    """Text, several IDATs and unknown chunks pass."""
    data = SIGNATURE + header(2, 2) + chunk(b"tEXt", b"a\0b") + IDAT + IDAT + chunk(b"zzZz") + IEND
    assert inspect_png(data).size == Size(2, 2)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a PNG: it is empty"),
        (b"<html><body>", "not a PNG: starts with b'<html><b'"),
        (b"\xff\xd8\xff\xe0", "not a PNG: starts with b'\\xff\\xd8\\xff\\xe0'"),
        (SIGNATURE[:5], "truncated PNG: it ends at byte 5, within the signature"),
        (SIGNATURE, "truncated PNG: it ends at byte 8, before chunk IEND"),
        (PNG[:20], "truncated PNG: it ends at byte 20, within chunk IHDR of bytes 8 to 33"),
        (PNG[:-13], "truncated PNG: it ends at byte 50, within chunk IDAT of bytes 33 to 51"),
        (PNG[:-12], "truncated PNG: it ends at byte 51, before chunk IEND"),
        (PNG[:-1], "truncated PNG: it ends at byte 62, within chunk IEND of bytes 51 to 63"),
        (PNG + b"\0", "damaged PNG: 1 bytes follow chunk IEND"),
        (PNG + PNG, "damaged PNG: 63 bytes follow chunk IEND"),
        (SIGNATURE + IDAT + IEND, "damaged PNG: starts with chunk IDAT of 6 bytes"),
        (SIGNATURE + header(2, 2) + IEND, "damaged PNG: it has no IDAT chunk"),
        (SIGNATURE + header(2, 2) * 2 + IDAT + IEND, "damaged PNG: it has a second IHDR chunk"),
        (SIGNATURE + header(0, 2) + IDAT + IEND, "damaged PNG: its header says 0*2 pixels"),
        (SIGNATURE + header(10**5, 10**5) + IDAT + IEND, "its header says 100000*100000 pixels"),
        (SIGNATURE + chunk(b"IHDR") + IDAT + IEND, "starts with chunk IHDR of 0 bytes, not"),
        (SIGNATURE + b"\0" * 20, "damaged PNG: no chunk starts at byte 8: b'\\x00\\x00\\x00\\x00'"),
    ],
    ids=range(18),
)
def test_a_damaged_png_is_described_exactly(data, complaint):
    """The message names the byte and the chunk of the damage."""
    with pytest.raises(DamagedImage) as caught:
        inspect_png(data)
    assert complaint in caught.value.message


def test_every_truncation_is_found():
    """No prefix of a PNG passes."""
    for end in range(len(PNG)):
        with pytest.raises(DamagedImage, match=r"truncated|is empty"):
            inspect_png(PNG[:end])


def test_every_flipped_bit_is_found():
    """No single wrong bit passes."""
    for position in range(len(PNG) * 8):
        data = bytearray(PNG)
        data[position // 8] ^= 1 << position % 8
        with pytest.raises(DamagedImage):
            inspect_png(bytes(data))


@given(
    st.one_of(
        st.binary(),
        st.binary().map(SIGNATURE.__add__),
        st.lists(st.tuples(st.sampled_from([b"IHDR", b"IDAT", b"IEND", b"tEXt"]), st.binary())).map(
            lambda chunks: SIGNATURE + b"".join(chunk(*one) for one in chunks)
        ),
    )
)
def test_any_bytes_pass_or_are_damaged(data):
    """No bytes raise anything but DamagedImage."""
    with suppress(DamagedImage):
        assert inspect_png(data).size.pixels > 0


ROWS = b"".join(b"\0" + bytes(range(6)) for _ in range(4))  # 2*4 pixels of RGB


def rgb(data: bytes, *, depth: int = 8, colour_type: int = 2) -> bytes:
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 4, depth, colour_type, 0, 0, 0))
    return SIGNATURE + ihdr + chunk(b"IDAT", data) + IEND


BROKEN = {
    "short IDAT": rgb(zlib.compress(ROWS[:-1])),
    "cut IDAT": rgb(zlib.compress(ROWS)[:-1]),
    "garbage IDAT": rgb(ROWS),
    "empty IDAT": rgb(b""),
    "invalid filter": rgb(zlib.compress(ROWS[:-7] + b"\x09" + ROWS[-6:])),
    "impossible bit depth": rgb(zlib.compress(ROWS), depth=3),
    "impossible colour type": rgb(zlib.compress(ROWS), colour_type=5),
    "no palette": rgb(zlib.compress(bytes(12)), colour_type=3),
}


@pytest.mark.parametrize("png", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("in_chunks", [False, True])
def test_intact_chunks_with_undecodable_pixels_are_damage(png, in_chunks):
    """Decoding finds it, and the error is one line with a reason."""
    inspect_png(png)
    pieces = [png[at : at + 7] for at in range(0, len(png), 7)]
    with pytest.raises(DamagedImage, match=r"damaged PNG: can't be decoded: .") as caught:
        check_pixels(pieces if in_chunks else png)
    assert "\n" not in caught.value.message


def test_decodable_pixels_are_no_damage():
    """This holds for every kind of PNG that a service might send."""
    check_pixels(rgb(zlib.compress(ROWS)))
    check_pixels(PICTURE.pngsave_buffer())
    check_pixels(PICTURE.pngsave_buffer(interlace=True))
    check_pixels(PICTURE.pngsave_buffer(palette=True))
    check_pixels(PICTURE.cast("ushort").copy(interpretation="rgb16").pngsave_buffer(bitdepth=16))


def test_more_pixels_than_the_limit_are_not_decoded():
    """A header can claim any number."""
    png = SIGNATURE + header(10**4, 10**4) + chunk(b"IDAT", zlib.compress(bytes(99))) + IEND
    with pytest.raises(DamagedImage, match=r"10000\*10000 pixels"):
        check_pixels(png)
