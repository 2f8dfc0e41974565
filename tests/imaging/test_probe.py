"""Checking PNGs and references."""

import hashlib
import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import DamagedImage, InvalidReference
from stills.contract.size import Size
from stills.imaging import check_pixels, inspect_png, media_type

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


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PICTURE.pngsave_buffer(), "image/png"),
        (PICTURE.jpegsave_buffer(), "image/jpeg"),
        (PICTURE.webpsave_buffer(), "image/webp"),
    ],
    ids=["png", "jpeg", "webp"],
)
def test_a_reference_has_its_media_type(data, expected):
    """PNG, JPEG and WebP are recognised by their bytes."""
    assert media_type(data) == expected


NOISE = pyvips.Image.gaussnoise(300, 300).cast("uchar")


@pytest.mark.parametrize(
    "data",
    [NOISE.pngsave_buffer(), NOISE.jpegsave_buffer(), NOISE.webpsave_buffer()],
    ids=["png", "jpeg", "webp"],
)
def test_a_truncated_reference_is_refused(data):
    """Half an image would cost as much as a complete one."""
    with pytest.raises(InvalidReference, match="can't be decoded"):
        media_type(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"just some words", "is text"),
        ("un été très doux".encode(), "is text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is text"),
        (b"GIF89a\1\0\1\0", "is a GIF"),
        (b"BM\x36\0\0\0\0\0", "is a BMP"),
        (b"II*\0\x08\0\0\0", "is a TIFF"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "is a HEIC or AVIF"),
        (b"%PDF-1.7\n", "is a PDF"),
        (b"\x00\x01\x02\x03\xfe", "is of an unknown type"),
        (PNG[:20], "starts like image/png, but can't be decoded"),
        (b"\xff\xd8\xff\xe0 no more", "starts like image/jpeg, but can't be decoded"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "starts like image/webp, but can't be decoded"),
    ],
)
def test_a_reference_of_another_type_is_refused(data, said):
    """The message names the type found, and the action the accepted ones."""
    with pytest.raises(InvalidReference) as caught:
        media_type(data)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.field == "reference_image"
    assert "PNG, JPEG or WebP" in caught.value.action


def test_a_private_text_file_is_not_quoted():
    """A wrong path must not leak a file's content into an error."""
    with pytest.raises(InvalidReference) as caught:
        media_type(b"password = hunter2")
    assert "hunter2" not in caught.value.message


def test_a_text_that_is_cut_within_a_character_is_text():
    """Only the first bytes are checked, wherever they end."""
    with pytest.raises(InvalidReference, match="is text"):
        media_type(b"x" + "é".encode() * 2000)


def test_a_decompression_bomb_is_refused_by_its_header():
    """More than 50 megapixels are refused before any pixel is decoded."""
    with pytest.raises(InvalidReference, match=r"10000\*10000: 100000000 pixels"):
        media_type(SIGNATURE + header(10_000, 10_000) + IDAT + IEND)


LOOK_AT_BOMB = """
import resource, sys
from pathlib import Path
from stills.contract.errors import InvalidReference
from stills.imaging import media_type
small, bomb = (Path(one).read_bytes() for one in sys.argv[1:])
media_type(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    media_type(bomb)
except InvalidReference as error:
    print(error.message)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_real_bomb_costs_no_memory(tmp_path):
    """30000*30000 pixels in a PNG of a few hundred kB are refused, and the limit is named."""
    packer = zlib.compressobj(1)
    row = bytes(1 + 30_000 // 8)  # one bit a pixel
    body = b"".join(packer.compress(row) for _ in range(30_000)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(SIGNATURE + head + chunk(b"IDAT", body) + IEND)
    (tmp_path / "small.png").write_bytes(PICTURE.pngsave_buffer())
    assert (tmp_path / "bomb.png").stat().st_size < 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_BOMB, tmp_path / "small.png", tmp_path / "bomb.png"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    message, grown_kilobytes = done.stdout.splitlines()
    assert "30000*30000: 900000000 pixels, the limit is 50000000" in message
    assert int(grown_kilobytes) < 16_000


@given(
    st.one_of(
        st.binary(),
        st.binary().map(SIGNATURE.__add__),
        st.binary().map(b"\xff\xd8\xff".__add__),
        st.binary().map(b"RIFF\x40\0\0\0WEBP".__add__),
    )
)
def test_any_bytes_are_a_media_type_or_refused(data):
    """No bytes raise anything but InvalidReference."""
    with suppress(InvalidReference):
        assert media_type(data) in {"image/png", "image/jpeg", "image/webp"}


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
