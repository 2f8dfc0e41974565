"""Placeholder images: readable, distinct, equal everywhere, and drawn from any text."""

import hashlib
import os
import random
import subprocess
import sys

import pytest
import pyvips

from stills.sandbox.placeholder import draw_placeholder
from stills.sandbox.text import printable

ENGLISH = "a cinematic portrait of a cyclist at dusk"
SCRIPT = """
import hashlib
from stills.sandbox.placeholder import draw_placeholder
png = draw_placeholder("狐 Ж fox", 1328, 1328, seed=1, model="qwen-image-max")
print(hashlib.sha256(png).hexdigest())
"""


def draw(prompt=ENGLISH, width=640, height=480, seed=1, **options):
    return draw_placeholder(prompt, width, height, seed=seed, model="qwen-image-max", **options)


@pytest.mark.parametrize(
    ("width", "height"),
    [(1664, 928), (928, 1664), (1328, 1328), (512, 512), (2048, 2048), (4096, 64), (1, 262144)],
)
def test_a_placeholder_is_an_rgb_png_of_exactly_the_size(width, height):
    """Every size that the models accept has 8 bits in three bands."""
    image = pyvips.Image.new_from_buffer(draw(width=width, height=height), "")

    assert (image.width, image.height, image.bands) == (width, height, 3)
    assert (image.format, image.interpretation) == ("uchar", "srgb")


def test_the_same_input_gives_the_same_bytes():
    """A placeholder depends only on its input."""
    assert draw() == draw()


@pytest.mark.parametrize(
    "changed", [{"prompt": "a fox"}, {"seed": 2}, {"reference_count": 1}, {"reference_count": 2}]
)
def test_a_different_request_has_a_different_placeholder(changed):
    """Prompt, seed and references are visible."""
    assert draw(**changed) != draw()


def test_prompt_and_seed_change_the_colours():
    """The board's hue comes from the prompt, that of the stripes from the seed."""

    def colours(png):
        image = pyvips.Image.new_from_buffer(png, "")
        return image(2, 470), image(2, 2)

    board, stripes = colours(draw())
    assert colours(draw(prompt="another"))[0] != board
    assert colours(draw(seed=2))[0] == board
    assert colours(draw(seed=2))[1] != stripes


def test_markup_in_a_prompt_is_text():
    """Pango markup is shown, not interpreted."""
    assert draw("<b>fox</b>") != draw("fox")


def test_different_prompts_have_different_ink():
    """The prompt's text is visible, not only its colours."""

    def ink(text):
        image = pyvips.Image.new_from_buffer(draw(text, width=1664, height=928), "")
        panel = image.crop(200, 300, 1200, 350)
        return (panel.colourspace("b-w") > 200).avg()

    assert ink("I") < ink("a cat") < ink("狐狸在雪地里奔跑")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n\t ",
        "\x00\x01\x7f",
        "\ud800\udfff",
        "<b>&amp;</i>]]>",
        "&#0;&bogus;<span size='999999'>",
        "שלום עולם مرحبا",
        "\u202eright to left override\u2066",
        "😀👩‍👩‍👧‍👦🏳️‍🌈",
        "\u200b\u200d\ufeff",
        "e" + "\u0301" * 799,
        "W" * 800,
        "狐" * 800,
        "\n" * 799 + "x",
        "\ufffe\uffff\U0010ffff",
    ],
    ids=lambda prompt: ascii(prompt)[:40],
)
def test_hostile_text_is_drawn(prompt):
    """Drawing fails on no text, at the largest or the smallest size."""
    for width, height in [(1664, 928), (100, 100)]:
        assert draw(prompt, width=width, height=height).startswith(b"\x89PNG")


def test_random_text_is_drawn():
    """Sixty texts of random code points, each as long as allowed."""
    dice = random.Random(4711)
    for _ in range(60):
        highest = dice.choice([0x7F, 0x2FF, 0xFFFF, 0x10FFFF])
        prompt = "".join(chr(dice.randint(0, highest)) for _ in range(dice.randint(1, 120)))
        assert draw(prompt, width=256, height=256).startswith(b"\x89PNG")


def test_printable_text_is_one_paragraph():
    """Control characters become spaces, spaces are merged, and overrides removed."""
    assert printable(" a\n\nb\x00c\ud800d\u202ee ") == "a b c de"


@pytest.mark.parametrize("fonts_installed", [True, False])
def test_a_placeholder_is_the_same_with_and_without_fonts_installed(fonts_installed):
    """A process without a font configuration draws the same bytes, silently."""
    without = {"FONTCONFIG_FILE": "/nonexistent", "FONTCONFIG_PATH": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | ({} if fonts_installed else without),
        capture_output=True,
        text=True,
        check=True,
    )
    here = draw_placeholder("狐 Ж fox", 1328, 1328, seed=1, model="qwen-image-max")

    assert done.stderr == ""
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_drawing_leaves_the_environment_as_it_was():
    """The font configuration of other code in the process is unchanged."""
    script = f"import os; before = dict(os.environ)\n{SCRIPT}\nassert dict(os.environ) == before"
    for environment in [os.environ, os.environ | {"FONTCONFIG_FILE": "/nonexistent"}]:
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
