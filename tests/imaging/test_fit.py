"""Cropping and scaling to the requested size."""

from contextlib import suppress

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from stills.contract.errors import DamagedImage
from stills.contract.size import Size
from stills.imaging.fit import cover_crop, fit_png
from stills.imaging.probe import inspect_png

sides = st.integers(1, 8192)
sizes = st.builds(Size, sides, sides)


def gradient(width: int, height: int) -> pyvips.Image:
    """Red increases to the right, green to the bottom."""
    position = pyvips.Image.xyz(width, height)
    red = position[0] * 255 / max(1, width - 1)
    green = position[1] * 255 / max(1, height - 1)
    return red.bandjoin([green, 128]).rint().cast("uchar").copy(interpretation="srgb")


def decode(png: bytes) -> pyvips.Image:
    return pyvips.Image.pngload_buffer(png)


def pixel(png: bytes, left: int, top: int) -> list[int]:
    return [round(value) for value in decode(png)(left, top)]


@pytest.mark.parametrize(
    ("source", "target", "window"),
    [
        (Size(1328, 1328), Size(1024, 1024), (0, 0, 1328, 1328)),
        (Size(1664, 928), Size(1920, 1080), (7, 0, 1650, 928)),
        (Size(1664, 928), Size(64, 64), (368, 0, 928, 928)),
        (Size(928, 1664), Size(64, 64), (0, 368, 928, 928)),
        (Size(1, 1), Size(4096, 64), (0, 0, 1, 1)),
    ],
)
def test_the_window_is_the_largest_centred_one(source, target, window):
    """Both sides are cut equally."""
    assert cover_crop(source, target) == window


@given(source=sizes, target=sizes)
def test_the_window_lies_within_the_source(source, target):
    """The window is never empty, never larger than the source, and touches two of its sides."""
    window = cover_crop(source, target)
    assert window.left >= 0
    assert window.top >= 0
    assert 1 <= window.width <= source.width - window.left
    assert 1 <= window.height <= source.height - window.top
    assert window.width == source.width or window.height == source.height
    assert abs(source.width - window.width - 2 * window.left) <= 1
    assert abs(source.height - window.height - 2 * window.top) <= 1


@given(source=sizes, target=sizes)
def test_the_window_has_the_aspect_ratio_of_the_target(source, target):
    """The cut side is off by at most half a pixel, or is one pixel."""
    window = cover_crop(source, target)
    if window.height == source.height:
        exact, cut = window.height * target.width / target.height, window.width
    if window.height != source.height or abs(exact - cut) > 0.5:
        exact, cut = window.width * target.height / target.width, window.height
    assert abs(exact - cut) <= 0.5 or window.width == 1 or window.height == 1


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Size(1328, 1328), Size(1024, 1024)),
        (Size(1664, 928), Size(1920, 1080)),
        (Size(928, 1664), Size(1664, 928)),
        (Size(1104, 1472), Size(64, 4096)),
        (Size(1472, 1104), Size(4096, 64)),
        (Size(64, 64), Size(4096, 4096)),
        (Size(1328, 1328), Size(64, 64)),
        (Size(1, 1), Size(101, 77)),
    ],
    ids=str,
)
def test_the_size_is_exact(source, target):
    """Every target is exact to the pixel and a complete PNG, scaled up or down."""
    fitted = fit_png(gradient(*source).pngsave_buffer(), target)
    assert inspect_png(fitted).size == target
    assert decode(fitted).avg() > 0


@settings(max_examples=40, deadline=None)
@given(
    source=st.builds(Size, st.integers(1, 300), st.integers(1, 300)),
    target=st.builds(Size, st.integers(64, 400), st.integers(64, 400)),
)
def test_any_size_becomes_any_size(source, target):
    """No pair of sizes is off by a pixel."""
    assert inspect_png(fit_png(gradient(*source).pngsave_buffer(), target)).size == target


def test_the_centre_stays():
    """A wide image that becomes square loses only its left and right."""
    fitted = fit_png(gradient(1664, 928).pngsave_buffer(), Size(256, 256))
    assert pixel(fitted, 0, 128)[0] == pytest.approx(255 * 368 / 1664, abs=2)
    assert pixel(fitted, 255, 128)[0] == pytest.approx(255 * 1296 / 1664, abs=2)
    assert pixel(fitted, 128, 0)[1] <= 2
    assert pixel(fitted, 128, 255)[1] >= 253


def test_fine_detail_is_averaged_not_skipped():
    """Scaled down by four, a one-pixel checkerboard becomes even grey."""
    position = pyvips.Image.xyz(512, 512)
    board = ((position[0] + position[1]) % 2 * 255).cast("uchar").copy(interpretation="b-w")
    fitted = decode(fit_png(board.pngsave_buffer(), Size(128, 128)))
    assert fitted.min() >= 120
    assert fitted.max() <= 135


def as_16_bit(image: pyvips.Image, interpretation: str) -> bytes:
    deep = (image.cast("ushort") * 257).cast("ushort").copy(interpretation=interpretation)
    return deep.pngsave_buffer(bitdepth=16)


RGB = gradient(200, 100)
GREY = RGB[0].copy(interpretation="b-w")


@pytest.mark.parametrize(
    ("png", "bands"),
    [
        (RGB.pngsave_buffer(), 3),
        (RGB.pngsave_buffer(interlace=True), 3),
        (RGB.pngsave_buffer(palette=True), 3),
        (as_16_bit(RGB, "rgb16"), 3),
        (as_16_bit(RGB.bandjoin(200), "rgb16"), 4),
        (GREY.pngsave_buffer(), 3),
        (as_16_bit(GREY, "grey16"), 3),
        (RGB.bandjoin(200).pngsave_buffer(), 4),
        (GREY.bandjoin(200).pngsave_buffer(), 4),
        (RGB.icc_transform("p3").pngsave_buffer(), 3),
    ],
    ids=[
        "rgb",
        "interlaced",
        "palette",
        "rgb16",
        "rgba16",
        "grey",
        "grey16",
        "rgba",
        "greya",
        "p3",
    ],
)
def test_every_kind_of_png_becomes_8_bit_srgb(png, bands):
    """Deep, grey, palette and profiled images keep their colours and alpha."""
    image = decode(fit_png(png, Size(100, 100)))
    assert (image.format, image.interpretation, image.bands) == ("uchar", "srgb", bands)
    red = image(50, 50)[0]
    assert red == pytest.approx(128, abs=5)
    if bands == 4:
        assert image(50, 50)[3] == pytest.approx(200, abs=1)


def test_hidden_colours_do_not_bleed_through_alpha():
    """Transparent pixels don't tint their neighbours."""
    half = pyvips.Image.black(64, 128).bandjoin([255, 0, 0]).cast("uchar")
    shown = (pyvips.Image.black(64, 128, bands=4) + 255).cast("uchar")
    image = half.join(shown, "horizontal").copy(interpretation="srgb")
    fitted = decode(fit_png(image.pngsave_buffer(), Size(100, 100)))
    visible = fitted.extract_area(51, 0, 49, 100)
    assert visible[0].min() >= 250


def test_text_chunks_survive():
    """The label of a machine-made image, for example, is in a text chunk."""
    labelled = RGB.copy()
    labelled.set_type(pyvips.GValue.gstr_type, "png-comment-0-AIGC", '{"Label": "1"}')
    fitted = decode(fit_png(labelled.pngsave_buffer(), Size(64, 64)))
    assert fitted.get("png-comment-0-AIGC") == '{"Label": "1"}'


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", RGB.pngsave_buffer()[:-200], RGB.jpegsave_buffer(), RGB.webpsave_buffer()],
    ids=["empty", "text", "truncated", "jpeg", "webp"],
)
def test_an_incomplete_png_is_damaged(data):
    """Bytes that can't be decoded as a PNG are DamagedImage, in one line."""
    with pytest.raises(DamagedImage, match=r"can't be decoded: .+") as caught:
        fit_png(data, Size(64, 64))
    assert "\n" not in caught.value.message


@settings(max_examples=60, deadline=None)
@given(position=st.integers(8, len(RGB.pngsave_buffer()) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_raises_nothing_but_damaged_image(position, bit):
    """libvips' own errors never escape."""
    data = bytearray(RGB.pngsave_buffer())
    data[position] ^= 1 << bit
    with suppress(DamagedImage):
        assert inspect_png(fit_png(bytes(data), Size(64, 64))).size == Size(64, 64)
