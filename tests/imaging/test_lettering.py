"""Text as pictures."""

import pytest
import pyvips

from stills.contract.ports.imaging import TextLook
from stills.imaging.lettering import draw_text

LOOK = TextLook(width=400, height_max=120, font_pixels=24, colour=(20, 20, 20))
BOX = TextLook(width=400, height_max=120, font_pixels=24, colour=(255, 255, 255), box_opacity=0.6)


def ink(picture):
    """Return the columns from the first to the last with ink."""
    alpha = pyvips.Image.new_from_buffer(picture.data, "")[3]
    left, _, width, _ = (alpha > 60).find_trim(threshold=10, background=[0])
    return left, left + width


@pytest.mark.parametrize(
    "text",
    [
        "Łukasz, Đorđe & <b>Şule</b>",
        "静かな海",
        "한국어",
        "مرحبا بالعالم",
        "שלום",
        "😀👩\u200d🚀",
        "नमस्ते",
    ],
)
@pytest.mark.parametrize("look", [LOOK, BOX])
def test_any_script_is_drawn(text, look):
    """A character that no font has is a box, never an error."""
    picture = draw_text(text, look)
    left, right = ink(picture)
    assert right - left > 20
    assert picture.size.width >= 20
    assert picture.size.height <= 120 + 2 * 24


@pytest.mark.parametrize("text", ["", " \n", "\0\ud800\ufffe", "\u202e"])
def test_text_without_ink_is_an_empty_picture(text):
    """There is nothing to draw, and nothing fails."""
    picture = draw_text(text, LOOK)
    assert pyvips.Image.new_from_buffer(picture.data, "").max() == 0


def test_a_language_from_right_to_left_starts_at_the_right():
    """Its lines end where those of others begin."""
    assert ink(draw_text("مرحبا", LOOK))[1] > 390
    assert ink(draw_text("hello", LOOK))[0] < 10


def test_long_text_is_cut_to_the_height():
    """Whatever it is made of."""
    for text in ("word " * 2000, "x" * 10_000, "line\n" * 1000, "海" * 5000):
        assert 70 < draw_text(text, LOOK).size.height <= 120


def test_lines_stay_apart():
    """A dialogue of two people has two lines."""
    one, two = draw_text("A: yes", BOX), draw_text("A: yes\nB: no", BOX)
    assert two.size.height > one.size.height + 20


def test_an_override_does_not_turn_words_around():
    """It is removed."""
    assert draw_text("\u202eabc", LOOK) == draw_text("abc", LOOK)
