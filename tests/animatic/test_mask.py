"""Masks: black bars that leave the picture an aspect ratio."""

import pytest

from stills.animatic.mask import mask_filter, parse_ratio
from stills.contract.errors import InvalidRequest
from stills.contract.size import Size


@pytest.mark.parametrize(
    ("text", "ratio"), [("2.39", 2.39), (" 2.39:1 ", 2.39), ("16:9", 16 / 9), ("4/3", 4 / 3)]
)
def test_a_ratio_can_be_written_in_several_ways(text, ratio):
    """With a point, a colon or a slash."""
    assert parse_ratio(text) == pytest.approx(ratio)


@pytest.mark.parametrize(
    "text", ["", "wide", "0", "1:0", "-2", "100", "0.1", "2,39", "nan", "1:2:3"]
)
def test_anything_else_is_refused(text):
    """The error says what to write."""
    with pytest.raises(InvalidRequest, match="is not an aspect ratio"):
        parse_ratio(text)


@pytest.mark.parametrize(
    ("ratio", "bar"),
    [
        (2.39, "h=138:color=black"),  # (1080 - 1920/2.39) / 2, to an even number
        (4 / 3, "w=240:h=ih:color=black"),
    ],
)
def test_bars_are_above_and_below_or_on_both_sides(ratio, bar):
    """They are as large as they must be."""
    filters = mask_filter(ratio, Size(1920, 1080))
    assert filters.count(bar) == filters.count("drawbox") == 2


def test_a_picture_of_the_same_ratio_has_no_bars():
    """Not even thin ones."""
    assert mask_filter(16 / 9, Size(1920, 1080)) == ""
