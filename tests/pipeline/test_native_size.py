"""The size that is requested from a model."""

from dataclasses import replace

import pytest

from stills.contract.models import find_model
from stills.contract.size import Size, parse_size
from stills.pipeline.native_size import native_size

MAX = find_model("qwen-image-max")
FREE = find_model("qwen-image-2.0")


@pytest.mark.parametrize(
    ("asked", "native"),
    [
        ("1024*1024", "1328*1328"),
        ("512*512", "1328*1328"),
        ("1920*1080", "1664*928"),
        ("3840*2160", "1664*928"),
        ("1080*1920", "928*1664"),
        ("1024*576", "1664*928"),
        ("1600*1200", "1472*1104"),
        ("2240*1680", "1472*1104"),
        ("1536*1024", "1472*1104"),  # 3:2 is between 4:3 and 16:9, and nearer to 4:3
        ("1024*1536", "1104*1472"),
        ("1792*1024", "1664*928"),
        ("4096*64", "1664*928"),
        ("64*4096", "928*1664"),
        ("1664*928", "1664*928"),
    ],
)
def test_a_size_is_planned_at_the_native_size_nearest_in_aspect_ratio(asked: str, native: str):
    """Every requested size is generated at one of the model's five."""
    assert str(native_size(parse_size(asked), MAX)) == native


def test_a_tie_in_aspect_ratio_goes_to_the_larger_area():
    """Of two equally near native sizes, the one with more pixels is used."""
    model = replace(MAX, native_sizes=(Size(400, 200), Size(800, 400)))
    assert native_size(Size(64, 64), model) == Size(800, 400)


@pytest.mark.parametrize(
    ("asked", "native"),
    [
        ("1024*576", "1024*576"),
        ("2560*1440", "2560*1440"),
        ("1920*1080", "1920*1088"),
        ("1080*1920", "1088*1920"),
        ("1033*1032", "1040*1040"),
        ("1600*900", "1600*912"),
        ("64*64", "512*512"),
        ("512*300", "672*400"),
        ("4096*4096", "2048*2048"),
        ("3840*2160", "2720*1536"),
        ("2730*1536", "2720*1536"),
    ],
)
def test_a_free_size_is_planned_in_multiples_of_16(asked: str, native: str):
    """The smallest that contains the image, scaled into the model's range of pixels."""
    assert str(native_size(parse_size(asked), FREE)) == native


@pytest.mark.parametrize(
    ("asked", "native"),
    [("4096*64", "4096*512"), ("64*4096", "512*4096"), ("100*3000", "384*3008")],
)
def test_a_size_beyond_the_aspect_ratios_of_the_model_is_planned_at_the_nearest(asked, native):
    """8:1 for qwen-image-2.0; the image is cropped from it."""
    assert str(native_size(parse_size(asked), FREE)) == native


def test_a_narrow_range_of_pixels_is_searched_for_a_multiple_of_16():
    """The nearest legal size is a few steps away."""
    narrow = replace(FREE, pixels_min=4_190_000)
    assert native_size(Size(4096, 512), narrow) == Size(5696, 736)


def test_a_model_without_a_multiple_of_16_gets_the_nearest_size():
    """Its rules are ours to follow only as far as they can be."""
    impossible = replace(FREE, pixels_min=1001 * 1001, pixels_max=1001 * 1001)
    assert native_size(Size(500, 500), impossible) == Size(1001, 1001)
