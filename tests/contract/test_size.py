"""Reading and writing sizes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import InvalidRequest
from stills.contract.size import Size, parse_size

sides = st.integers(64, 4096)


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
    ],
    ids=range(16),
)
def test_an_invalid_size_is_rejected(written):
    """The error names the field, quotes little, and shows the notation."""
    with pytest.raises(InvalidRequest, match=r"is not W\*H") as caught:
        parse_size(written)
    assert caught.value.field == "size"
    assert len(caught.value.message) < 200
    assert "1024*1024" in caught.value.action


@pytest.mark.parametrize("written", ["0*0", "63*64", "64*63", "4097*64", "64*4097", "99999*1"])
def test_a_side_out_of_range_is_rejected(written):
    """Each side must have 64 to 4096 pixels."""
    with pytest.raises(InvalidRequest, match="out of range") as caught:
        parse_size(written)
    assert caught.value.field == "size"
    assert "64 to 4096 pixels" in caught.value.action


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_a_size_or_rejected(written):
    """No text raises anything but InvalidRequest."""
    with suppress(InvalidRequest):
        assert all(64 <= side <= 4096 for side in parse_size(written))


def test_area_and_ratio_follow_from_width_and_height():
    """The area is width times height, the ratio width divided by height."""
    assert Size(1664, 928).pixels == 1_544_192
    assert Size(1664, 928).aspect_ratio == pytest.approx(1.793, abs=0.001)
