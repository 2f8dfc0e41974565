"""Text as an ink mask: equal pixels on every machine, with or without fonts installed."""

import math
import os
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

import pyvips
from noto_cjk_sans_jp_regular import FONT_PATH

_FONT_CONFIG = Path(__file__).with_name("fonts.conf")
_FONT_FAMILY = "Noto Sans CJK JP"
_SMALLEST_FONT_PIXELS = 4.0
_LINE_HEIGHT_EMS = 1.45
_ASCENT_EMS = 1.16  # of Noto Sans CJK
_font_lock = threading.Lock()
_font_loaded = False


@dataclass(frozen=True)
class InkMask:
    """Ink per pixel, row by row: 0 is blank, 255 is solid."""

    width: int
    height: int
    ink: bytes


@dataclass(frozen=True)
class TextLine:
    """One line of text as ink; `rise` is the distance from the baseline up to the ink's top."""

    mask: InkMask
    rise: int


def printable(text: str) -> str:
    """Return text that Pango accepts: one paragraph, no control characters or surrogates.

    Format characters are removed too: joiners have no ink, and overrides would reverse the words.
    """
    kept = (" " if unicodedata.category(c) in {"Cc", "Cs", "Cn"} else c for c in text)
    seen = "".join(c for c in kept if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


@lru_cache(maxsize=64)  # most lines are on every placeholder
def fitted_line(text: str, width: int, font_pixels: float) -> TextLine:
    """Render one line, smaller if it would be wider than `width`."""
    mask = _ink_mask(text, font_pixels)
    if mask.width > width:
        font_pixels *= width / mask.width
        mask = _ink_mask(text, font_pixels)
    rise = round(_ASCENT_EMS * font_pixels) - mask.yoffset
    return TextLine(_cut(mask, width, mask.height), rise)


def fitted_paragraph(text: str, width: int, height: int, largest_font_pixels: float) -> InkMask:
    """Render wrapped text as large as fits the box; text that never fits is cut off."""
    font_pixels = min(largest_font_pixels, _estimated_font_pixels(text, width, height))
    while True:
        mask = _ink_mask(text, font_pixels, width)
        overflow = max(mask.height / height, mask.width / width)
        if overflow <= 1 or font_pixels <= _SMALLEST_FONT_PIXELS:
            return _cut(mask, width, height)
        font_pixels = max(_SMALLEST_FONT_PIXELS, 0.97 * font_pixels / math.sqrt(overflow))


def _cut(image: pyvips.Image, width: int, height: int) -> InkMask:
    width, height = min(image.width, width), min(image.height, height)
    return InkMask(width, height, bytes(image.crop(0, 0, width, height).write_to_memory()))


def _ink_mask(text: str, font_pixels: float, wrap_width: int | None = None) -> pyvips.Image:
    """Render a one-band mask cropped to its ink; text without ink is one empty pixel."""
    _load_font()
    wrapping: dict[str, object] = {}
    if wrap_width is not None:
        wrapping = {"width": wrap_width, "wrap": "word-char"}
    try:
        return pyvips.Image.text(
            escape(printable(text)),
            font=f"{_FONT_FAMILY} {font_pixels:.2f}",
            fontfile=str(FONT_PATH),
            dpi=72,  # at 72 dpi a point is a pixel
            **wrapping,
        )
    except pyvips.Error:
        return pyvips.Image.black(1, 1)


def _estimated_font_pixels(text: str, width: int, height: int) -> float:
    ems = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)
    return math.sqrt(width * height / (_LINE_HEIGHT_EMS * max(ems, 1.0)))


def _load_font() -> None:
    """Make fontconfig load our configuration, then restore the environment.

    It reads its configuration once, at the first text. Without an installed one it prints a
    warning; with one, the system's fonts would change the images.
    """
    global _font_loaded  # noqa: PLW0603 - fontconfig itself is loaded once per process
    with _font_lock:
        if _font_loaded:
            return
        before = os.environ.get("FONTCONFIG_FILE")
        os.environ["FONTCONFIG_FILE"] = str(_FONT_CONFIG)
        try:
            pyvips.Image.text("SANDBOX", font=f"{_FONT_FAMILY} 8", fontfile=str(FONT_PATH))
        finally:
            if before is None:
                del os.environ["FONTCONFIG_FILE"]
            else:
                os.environ["FONTCONFIG_FILE"] = before
        _font_loaded = True
