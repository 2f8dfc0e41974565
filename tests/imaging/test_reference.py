"""Reference images: which kinds are accepted, what is changed, and what is refused."""

import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from stills.contract.errors import InvalidReference
from stills.contract.size import Size
from stills.imaging.reference import (
    SENT_BYTES_MAX,
    convert_to_png,
    measure_reference,
    prepare_reference,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(width: int, height: int) -> pyvips.Image:
    """Make an image that is red at the top left and blue at the bottom right."""
    x, y = (pyvips.Image.xyz(width, height)[axis] for axis in range(2))
    end = (x / width + y / height) * 127
    return (255 - end).bandjoin([x * 0 + 40, end]).cast("uchar").copy(interpretation="srgb")


def noise(width: int, height: int) -> pyvips.Image:
    bands = [pyvips.Image.gaussnoise(width, height, mean=128, seed=seed) for seed in range(3)]
    return bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")


def tagged(image: pyvips.Image, orientation: int) -> pyvips.Image:
    copied = image.copy()
    copied.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return copied


def frames(*images: pyvips.Image) -> pyvips.Image:
    joined = pyvips.Image.arrayjoin(list(images), across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", images[0].height)
    return joined


def opened(data: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(data, "")


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


IDAT = chunk(b"IDAT", b"pixels")
IEND = chunk(b"IEND")
PICTURE = picture(80, 60)
WITH_ALPHA = PICTURE.bandjoin(pyvips.Image.black(80, 60) + 100).cast("uchar")
SRGB = PICTURE.icc_transform("srgb")


@pytest.mark.parametrize(
    "data",
    [
        PICTURE.pngsave_buffer(),
        WITH_ALPHA.pngsave_buffer(),
        PICTURE.pngsave_buffer(palette=True),
        PICTURE[0].pngsave_buffer(),
        PICTURE.jpegsave_buffer(),
        PICTURE[0].jpegsave_buffer(),
        SRGB.jpegsave_buffer(),
        SRGB.pngsave_buffer(),
        PICTURE.webpsave_buffer(),
        WITH_ALPHA.webpsave_buffer(lossless=True),
        picture(3072, 400).jpegsave_buffer(),
    ],
    ids=[
        "png", "png with alpha", "palette", "grey png", "jpeg", "grey jpeg", "sRGB jpeg",
        "sRGB png", "webp", "webp with alpha", "largest sides",
    ],
)  # fmt: skip
def test_an_image_that_needs_no_change_keeps_its_bytes(data):
    """PNG, JPEG and WebP in 8-bit sRGB or grey are sent as they are, alpha included."""
    prepared = prepare_reference(data)
    assert prepared.data == data
    assert prepared.changes == ()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PICTURE.pngsave_buffer(), "image/png"),
        (PICTURE.jpegsave_buffer(), "image/jpeg"),
        (PICTURE.webpsave_buffer(), "image/webp"),
        (PICTURE.gifsave_buffer(), "image/png"),
        (PICTURE.tiffsave_buffer(), "image/png"),
    ],
    ids=["png", "jpeg", "webp", "gif", "tiff"],
)
def test_a_reference_has_the_media_type_of_what_is_sent(data, expected):
    """A kind that few services read becomes a PNG."""
    prepared = prepare_reference(data)
    assert prepared.media_type == expected
    assert prepared.size == measure_reference(data) == Size(80, 60)
    assert (opened(prepared.data)[:3] - PICTURE).abs().avg() < 20


@pytest.mark.parametrize("save", ["jpegsave", "pngsave", "webpsave", "tiffsave"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photo_is_turned_upright(save, orientation):
    """Models ignore the orientation in EXIF; the size is the one that people saw."""
    data = getattr(tagged(PICTURE, orientation), f"{save}_buffer")()
    expected = tagged(PICTURE, orientation).autorot()
    prepared = prepare_reference(data)
    assert prepared.size == measure_reference(data) == Size(expected.width, expected.height)
    sent = opened(prepared.data)
    assert sent.get_typeof("orientation") == 0
    assert (sent - expected).abs().avg() < 5


@pytest.mark.parametrize(
    ("data", "bands"),
    [
        (PICTURE.icc_transform("cmyk").jpegsave_buffer(), 3),
        (PICTURE.icc_transform("cmyk").jpegsave_buffer(keep="none"), 3),
        ((PICTURE.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
         .pngsave_buffer(bitdepth=16), 3),
        ((WITH_ALPHA.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
         .pngsave_buffer(bitdepth=16), 4),
        (PICTURE.icc_transform("p3").pngsave_buffer(), 3),
        (PICTURE.colourspace("lab").tiffsave_buffer(), 3),
        (PICTURE.colourspace("scrgb").tiffsave_buffer(), 3),
    ],
    ids=["cmyk", "cmyk without profile", "16 bits", "16 bits with alpha", "P3", "Lab", "float"],
)  # fmt: skip
def test_other_colours_become_8_bit_srgb(data, bands):
    """The picture looks the same, and alpha is kept."""
    sent = opened(prepare_reference(data).data)
    assert (sent.format, sent.interpretation, sent.bands) == ("uchar", "srgb", bands)
    assert (sent[:3] - PICTURE).abs().avg() < 30
    assert bands == 3 or sent[3].avg() == 100


@pytest.mark.parametrize("save", ["gifsave", "webpsave"])
def test_the_first_frame_of_an_animation_is_sent(save):
    """The result says so."""
    data = getattr(frames(PICTURE, PICTURE.invert(), PICTURE), f"{save}_buffer")()
    prepared = prepare_reference(data)
    sent = opened(prepared.data)
    assert (sent.width, sent.height) == (80, 60)
    assert (sent[:3] - PICTURE).abs().avg() < 20
    assert prepared.changes == ("has 3 frames or pages, of which the first was sent",)


def test_the_first_page_of_a_tiff_is_sent():
    """A scan of several pages is one image."""
    data = frames(PICTURE, PICTURE.invert()).tiffsave_buffer(page_height=60)
    prepared = prepare_reference(data)
    assert (opened(prepared.data) - PICTURE).abs().max() == 0
    assert prepared.changes == ("has 2 frames or pages, of which the first was sent",)


@pytest.mark.parametrize("save", ["jpegsave", "pngsave"])
def test_sides_over_3072_pixels_are_scaled_down(save):
    """The result says from which size; the size of the original is kept for the request."""
    prepared = prepare_reference(getattr(picture(4000, 1000), f"{save}_buffer")())
    sent = opened(prepared.data)
    assert (sent.width, sent.height) == (3072, 768)
    assert prepared.size == Size(4000, 1000)
    assert prepared.changes == ("was scaled down from 4000*1000 to 3072*768 to be sent",)


def test_a_photo_of_12_mb_is_sent_in_less_than_10_mb():
    """The limit holds for the base64 text, which is a third longer than the file."""
    data = noise(2400, 1800).jpegsave_buffer(Q=100)
    assert len(data) > 12_000_000
    prepared = prepare_reference(data)
    assert prepared.media_type == "image/jpeg"
    assert len(prepared.data) <= SENT_BYTES_MAX == 7_500_000
    assert prepared.changes


def test_a_large_image_with_alpha_keeps_it():
    """A PNG that can't be sent becomes a WebP, because a JPEG has no alpha."""
    grain = noise(2000, 1500)
    data = grain.bandjoin(grain[0]).pngsave_buffer()
    assert len(data) > SENT_BYTES_MAX
    prepared = prepare_reference(data)
    assert (prepared.media_type, opened(prepared.data).bands) == ("image/webp", 4)
    assert len(prepared.data) <= SENT_BYTES_MAX
    assert prepared.changes[0].startswith(("was compressed from", "was scaled down from"))


@pytest.mark.parametrize(
    ("size", "said", "fix"),
    [
        (Size(15, 100), "is 15*100, but each side needs at least 16 pixels", "larger image"),
        (Size(1, 1), "is 1*1, but each side needs at least 16 pixels", "larger image"),
        (Size(900, 100), "is 900*100, but its sides may differ by a factor of at most 8", "Crop"),
        (Size(100, 900), "is 100*900, but its sides may differ by a factor of at most 8", "Crop"),
    ],
    ids=str,
)
def test_a_tiny_or_very_long_image_is_refused(size, said, fix):
    """The error names the field, the value and what to do."""
    data = pyvips.Image.black(*size).pngsave_buffer()
    for look in (measure_reference, prepare_reference):
        with pytest.raises(InvalidReference) as caught:
            look(data)
        assert said in caught.value.message
        assert fix in caught.value.action
        assert caught.value.field == "reference_image"


def test_sides_that_differ_by_a_factor_of_8_are_accepted():
    """This is the limit itself, and so is a side of 16 pixels."""
    assert prepare_reference(pyvips.Image.black(128, 16).pngsave_buffer()).size == Size(128, 16)


def test_a_photo_on_its_side_is_measured_upright():
    """A size in an error is the size that people see."""
    data = tagged(pyvips.Image.black(900, 100), 6).jpegsave_buffer()
    with pytest.raises(InvalidReference, match=r"100\*900"):
        prepare_reference(data)


NOISE = noise(300, 300)


@pytest.mark.parametrize("save", ["pngsave", "jpegsave", "webpsave", "gifsave", "tiffsave"])
def test_a_truncated_reference_is_refused(save):
    """Half an image would cost as much as a complete one."""
    data = getattr(NOISE, f"{save}_buffer")()
    with pytest.raises(InvalidReference, match="can't be decoded") as caught:
        prepare_reference(data[: len(data) // 2])
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"just some words", "is text"),
        ("un été très doux".encode(), "is text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is text"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "is a HEIC or AVIF"),
        (b"%PDF-1.7\n", "is a PDF"),
        (b"BMovie night", "is text"),
        (b"\x00\x01\x02\x03\xfe", "is of an unknown type"),
        (SIGNATURE + header(2, 2)[:9], "starts like image/png, but can't be decoded"),
        (b"\xff\xd8\xff\xe0 no more", "starts like image/jpeg, but can't be decoded"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "starts like image/webp, but can't be decoded"),
        (b"GIF89a\1\0\1\0", "starts like image/gif, but can't be decoded"),
        (b"II*\0\x08\0\0\0", "starts like image/tiff, but can't be decoded"),
        (b"BM\x36" + bytes(11) + b"\x28\0\0\0", "starts like image/bmp, but can't be decoded"),
        (SIGNATURE + b"<svg xmlns='http://www.w3.org/2000/svg'/>", "can't be decoded"),
        (b"II*\0%PDF-1.7\n", "can't be decoded"),
    ],
)
def test_a_reference_of_another_type_is_refused(data, said):
    """The message names the type found; no loader of another kind sees the bytes."""
    with pytest.raises(InvalidReference) as caught:
        prepare_reference(data)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.field == "reference_image"
    assert "PNG" in caught.value.action


def test_a_private_text_file_is_not_quoted():
    """A wrong path must not leak a file's content into an error."""
    with pytest.raises(InvalidReference) as caught:
        prepare_reference(b"password = hunter2")
    assert "hunter2" not in caught.value.message


def test_a_text_that_is_cut_within_a_character_is_text():
    """Only the first bytes are checked, wherever they end."""
    with pytest.raises(InvalidReference, match="is text"):
        prepare_reference(b"x" + "é".encode() * 2000)


def bomb_headers() -> dict[str, bytes]:
    """Return short files of each kind that claim 30000*30000 pixels."""
    gif = bytearray(PICTURE.gifsave_buffer())
    large = struct.pack("<HH", 30_000, 30_000)
    frame = gif.index(b"," + bytes(4) + struct.pack("<HH", 80, 60))
    gif[6:10] = gif[frame + 5 : frame + 9] = large
    tiff = bytearray(PICTURE.tiffsave_buffer())
    at = struct.unpack_from("<I", tiff, 4)[0]
    for entry in range(struct.unpack_from("<H", tiff, at)[0]):
        place = at + 2 + 12 * entry
        if struct.unpack_from("<H", tiff, place)[0] in (256, 257):
            struct.pack_into("<HI", tiff, place + 2, 4, 1)
            struct.pack_into("<I", tiff, place + 8, 30_000)
    bmp = b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 30_000, 30_000, 1, 24, *[0] * 6)
    return {
        "png": SIGNATURE + header(30_000, 30_000) + IDAT + IEND,
        "gif": bytes(gif),
        "tiff": bytes(tiff),
        "bmp": bmp,
    }


@pytest.mark.parametrize("kind", ["png", "gif", "tiff", "bmp"])
def test_a_decompression_bomb_is_refused_by_its_header(kind):
    """More than 50 megapixels are refused before any pixel is decoded."""
    with pytest.raises(InvalidReference, match=r"30000\*30000: 900000000 pixels|can't be decoded"):
        measure_reference(bomb_headers()[kind])


LOOK_AT_BOMB = """
import resource, sys
from pathlib import Path
from stills.contract.errors import InvalidReference
from stills.imaging.reference import prepare_reference
small, bomb = (Path(one).read_bytes() for one in sys.argv[1:])
prepare_reference(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    prepare_reference(bomb)
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


HEADS = (
    b"", SIGNATURE, b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBP", b"GIF89a", b"II*\0", b"MM\0*",
    b"BM" + bytes(12) + b"\x28\0\0\0", PICTURE.tiffsave_buffer()[:200],
)  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(HEADS), st.binary())
def test_any_bytes_are_a_reference_or_refused(head, rest):
    """No bytes raise anything but InvalidReference."""
    with suppress(InvalidReference):
        assert prepare_reference(head + rest).media_type.startswith("image/")


def test_a_picture_of_the_user_becomes_an_upright_png_of_its_full_size():
    """It is shown, not sent, so it is not scaled down."""
    made = convert_to_png(tagged(picture(4000, 1000), 6).jpegsave_buffer(), "mine.jpg")
    assert made.size == Size(1000, 4000)
    assert made.data.startswith(SIGNATURE)
    assert opened(made.data).width == 1000


def test_a_png_of_the_user_keeps_its_bytes():
    """One that needs no change is the same file."""
    data = picture(4000, 1000).pngsave_buffer()
    assert convert_to_png(data, "mine.png").data == data


def test_a_damaged_picture_of_the_user_is_named():
    """The error has the name of the file."""
    with pytest.raises(InvalidReference, match=r"^mine\.png starts like"):
        convert_to_png(PICTURE.pngsave_buffer()[:-30], "mine.png")
