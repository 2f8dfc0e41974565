"""Text as a picture, in any script, with our font and those of the machine."""

import os
import threading
import unicodedata
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from noto_cjk_sans_jp_regular import FONT_PATH

from stills.contract.ports.imaging import PngImage, TextLook
from stills.contract.size import Size
from stills.imaging.vips import load_vips

_FONT_CONFIG = Path(__file__).with_name("fonts.conf")
_FONT_FAMILY = "Noto Sans CJK JP"
_JOINERS = "\u200c\u200d"  # emoji, and Arabic and Indic scripts, need them
_REMOVED = {"Cf", "Cn", "Cs"}
_BOX_MARGIN_EMS = 0.35
_NARROW_EMS = 0.2  # the width of an i
_OPAQUE = 255

_font_lock = threading.Lock()
_is_font_loaded = False


def draw_text(text: str, look: TextLook) -> PngImage:
    """Draw text on a transparent ground; what does not fit is cut off, with `…` at its end.

    A character that no font has is a small box with its code.
    """
    shown = _cut_roughly(_clean(text), look)
    ink = _draw(shown, look)
    while (height := ink.yoffset + ink.height) > look.height_max and len(shown) > 1:
        kept = min(int(len(shown) * look.height_max / height), len(shown) - 2)
        shown = f"{shown[: max(kept, 0)].rstrip()}…"
        ink = _draw(shown, look)
    drawn = _on_box(ink, look) if look.box_opacity else _on_line(ink, look)
    return PngImage(drawn.pngsave_buffer(), Size(drawn.width, drawn.height))


def _clean(text: str) -> str:
    """Return text that Pango accepts, with its lines.

    Without format characters: an override would turn the words around.
    """
    lines = ("".join(map(_clean_character, line)).split() for line in text.splitlines())
    return "\n".join(" ".join(words) for words in lines if words)


def _clean_character(one: str) -> str:
    category = unicodedata.category(one)
    if category == "Cc":
        return " "
    return "" if category in _REMOVED and one not in _JOINERS else one


def _cut_roughly(text: str, look: TextLook) -> str:
    """Cut off what fits in no font: pictures of long texts are slow, and have a limit."""
    lines_max = look.height_max // look.font_pixels + 1
    lines = text.split("\n")
    shown = "\n".join(lines[:lines_max])
    characters_max = lines_max * round(look.width / (_NARROW_EMS * look.font_pixels) + 1)
    if len(lines) <= lines_max and len(shown) <= characters_max:
        return text
    return f"{shown[:characters_max]}…"


def _draw(text: str, look: TextLook) -> Any:  # noqa: ANN401 - pyvips is not typed
    """Draw text without a margin; a text without ink is one transparent pixel."""
    vips = load_vips()
    _load_fonts()
    colour = "".join(f"{channel:02x}" for channel in look.colour)
    try:
        return vips.Image.text(
            f'<span foreground="#{colour}">{escape(text)}</span>',
            font=f"{_FONT_FAMILY} {look.font_pixels}",
            fontfile=str(FONT_PATH),
            width=look.width,
            wrap="word-char",
            align="centre" if look.box_opacity else "low",
            rgba=True,
            dpi=72,  # at 72 dpi a point is a pixel
        )
    except vips.Error:
        return vips.Image.black(1, 1, bands=4).copy(interpretation="srgb")


def _on_box(ink: Any, look: TextLook) -> Any:  # noqa: ANN401
    """Put the ink on a black box that is a little larger."""
    margin = round(_BOX_MARGIN_EMS * look.font_pixels)
    width, height = ink.width + 2 * margin, ink.height + 2 * margin
    opacity = round(look.box_opacity * _OPAQUE)
    box = load_vips().Image.black(width, height, bands=3).bandjoin(opacity)
    box = box.cast("uchar").copy(interpretation="srgb")
    return box.composite2(ink, "over", x=margin, y=margin).cast("uchar")


def _on_line(ink: Any, look: TextLook) -> Any:  # noqa: ANN401
    """Put the ink where it belongs on lines of the full width."""
    x, y = max(ink.xoffset, 0), max(ink.yoffset, 0)
    width = max(look.width, x + ink.width)
    return ink.embed(x, y, width, y + ink.height, extend="background", background=[0, 0, 0, 0])


def _load_fonts() -> None:
    """Make fontconfig load our configuration, then restore the environment.

    It reads its configuration once, at the first text, and warns if a machine has none.
    """
    global _is_font_loaded  # noqa: PLW0603 - fontconfig itself is loaded once per process
    with _font_lock:
        if _is_font_loaded:
            return
        has_own = "FONTCONFIG_FILE" in os.environ
        os.environ.setdefault("FONTCONFIG_FILE", str(_FONT_CONFIG))
        try:
            load_vips().Image.text("Stills", font=f"{_FONT_FAMILY} 8", fontfile=str(FONT_PATH))
        finally:
            if not has_own:
                del os.environ["FONTCONFIG_FILE"]
        _is_font_loaded = True
