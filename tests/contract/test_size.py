"""Reading and writing sizes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import InvalidRequest
from stills.contract.size import SIZE_PATTERN, Size, normalize_size, parse_size

sides = st.integers(64, 4096)  # any two of them are few enough pixels


@given(
    width=sides,
    height=sides,
    sign=st.sampled_from("*xX×"),
    space=st.sampled_from(["", " ", "  "]),
)
def test_every_notation_is_the_same_size(width, height, sign, space):
    """A star, an x or a times sign is read, with or without spaces; a star is written."""
    size = parse_size(f"{space}{width}{space}{sign}{space}{height}{space}")
    assert size == (width, height)
    assert str(size) == f"{width}*{height}"


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "abc",
        "1024",
        "1024*",
        "*1024",
        "1024*1024*3",
        "-64*64",
        "64.0*64",
        "1e3*64",
        "1024,768",
        "1024**768",
        "0x40*64",
        "٦٤*٦٤",
        "1" * 10_000 + "*64",
        "64*64\0",
        "3K",
        "2K16:9",
        "16:9 2K",
        "2K 2K",
        "16:9:1",
        "16x9:1",
        "auto 16:9",
    ],
    ids=range(23),
)
def test_an_invalid_size_is_rejected(written):
    """The error names the field, quotes little, and shows the notation."""
    with pytest.raises(InvalidRequest, match=r"is not W\*H") as caught:
        parse_size(written)
    assert caught.value.field == "size"
    assert len(caught.value.message) < 200
    assert "1024*1024" in caught.value.action


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1K", "1024*1024"),
        (" 2k ", "2048*2048"),
        ("4K", "4096*4096"),
        ("16:9", "1360*768"),
        ("9/16", "768*1360"),
        ("2.39:1", "1584*656"),
        ("1K 16:9", "1360*768"),
        ("2K 16:9", "2736*1536"),
        ("2k  4 : 3", "2368*1776"),
        ("4K 16:9", "5456*3072"),
        ("4K 4:1", "8192*2048"),
        (" Auto ", "auto"),
    ],
)
def test_a_tier_and_a_ratio_stand_for_a_size(written, size):
    """A tier is a number of pixels, square without a ratio; a ratio alone has those of 1K."""
    assert normalize_size(written) == size


@pytest.mark.parametrize(
    "written",
    ["0*0", "63*64", "64*63", "8193*64", "64*8193", "99999*1", "4124*4124", "100:1", "4K 8:1"],
)
def test_a_size_out_of_range_is_rejected(written):
    """Each side must have 64 to 8192 pixels, and the image at most 17 million."""
    with pytest.raises(InvalidRequest, match="out of range") as caught:
        parse_size(written)
    assert caught.value.field == "size"
    assert "64 to 8192 pixels" in caught.value.action


@pytest.mark.parametrize("written", ["0:9", "16:0", "2K 0:1", "0.0:1"])
def test_a_ratio_of_zero_is_rejected(written):
    """It has no shape."""
    with pytest.raises(InvalidRequest, match="has a 0") as caught:
        parse_size(written)
    assert caught.value.field == "size"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_a_size_or_rejected(written):
    """No text raises anything but InvalidRequest."""
    with suppress(InvalidRequest):
        assert all(64 <= side <= 8192 for side in parse_size(written))


@given(st.from_regex(SIZE_PATTERN, fullmatch=True))
def test_what_the_schema_describes_is_a_size_or_out_of_range(written):
    """The pattern for clients and the parser agree on how sizes are written."""
    try:
        normalize_size(written)
    except InvalidRequest as error:
        assert "out of range" in error.message  # noqa: PT017 - most examples are in range


def test_area_and_ratio_follow_from_width_and_height():
    """The area is width times height, the ratio width divided by height."""
    assert Size(1664, 928).pixels == 1_544_192
    assert Size(1664, 928).aspect_ratio == pytest.approx(1.793, abs=0.001)
