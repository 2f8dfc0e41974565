"""The sandbox's images: a film slate that shows the request, readable at a glance."""

import colorsys
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import pyvips

from stills.sandbox.text import InkMask, fitted_line, fitted_paragraph

Color = tuple[int, int, int]

_WHITE: Color = (250, 250, 246)
_TEXT_SIDE_MIN_PIXELS = 96  # a smaller side has no room for text
_CELL_HEIGHT_UNITS = 13


class Box(NamedTuple):
    """A rectangle on the canvas, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class _Palette:
    board: Color
    panel: Color
    accent: Color
    label: Color


class _Canvas:
    """A canvas measured in units of 1 %; text is printed on a single colour, without alpha.

    Pixels are written as bytes, because joining a dozen libvips images takes more than twice as
    long.
    """

    def __init__(self, width: int, height: int, palette: _Palette) -> None:
        self.width, self.height = width, height
        self.palette = palette
        self.unit = min(width, height) / 100
        self._pixels = bytearray(palette.board) * (width * height)

    def fill(self, box: Box, color: Color) -> None:
        self.paste(bytes(color) * (box.width * box.height), box)

    def paste(self, pixels: bytes | bytearray, box: Box) -> None:
        """Write RGB pixels, clipped to the canvas."""
        left, right = max(0, box.left), min(self.width, box.left + box.width)
        if left >= right:
            return
        for y in range(max(0, box.top), min(self.height, box.top + box.height)):
            of_row = (y - box.top) * box.width - box.left
            self._pixels[3 * (y * self.width + left) : 3 * (y * self.width + right)] = pixels[
                3 * (of_row + left) : 3 * (of_row + right)
            ]

    def print_ink(self, mask: InkMask, left: int, top: int, ink: Color, paper: Color) -> None:
        printed = bytearray(3 * len(mask.ink))
        for band, (of_ink, of_paper) in enumerate(zip(ink, paper, strict=True)):
            printed[band::3] = mask.ink.translate(_shades(of_ink, of_paper))
        self.paste(printed, Box(left, top, mask.width, mask.height))

    def png(self) -> bytes:
        image = pyvips.Image.new_from_memory(self._pixels, self.width, self.height, 3, "uchar")
        encoded: bytes = image.copy(interpretation="srgb").pngsave_buffer(
            compression=1, filter="none"
        )
        return encoded


def draw_placeholder(
    prompt: str, width: int, height: int, *, seed: int, model: str, reference_count: int = 0
) -> bytes:
    """Draw a PNG (RGB, 8 bit) of exactly width*height; equal input gives equal bytes."""
    canvas = _Canvas(width, height, _palette(prompt, seed))
    stripes_height = max(1, round(11 * canvas.unit))
    canvas.paste(_stripes(width, stripes_height, canvas.palette), Box(0, 0, width, stripes_height))
    if min(width, height) >= _TEXT_SIDE_MIN_PIXELS:
        margin = round(5 * canvas.unit)
        page = Box(margin, stripes_height, width - 2 * margin, height - stripes_height)
        _print_all(canvas, page, prompt, _cells(width, height, seed, model, reference_count))
    return canvas.png()


def _print_all(canvas: _Canvas, page: Box, prompt: str, cells: list[tuple[str, str]]) -> None:
    """Print heading, prompt and cells from top to bottom."""
    unit = canvas.unit
    gap = round(4 * unit)
    heading = Box(page.left, page.top + gap, page.width, round(7.5 * unit))
    columns = len(cells) if page.width > 1.2 * page.height else 2
    grid_height = -(-len(cells) // columns) * round(_CELL_HEIGHT_UNITS * unit)
    grid_top = page.top + page.height - grid_height - round(2.5 * unit)
    panel_top = heading.top + heading.height + gap

    _print_heading(canvas, heading)
    _print_prompt(canvas, Box(page.left, panel_top, page.width, grid_top - gap - panel_top), prompt)
    _print_cells(canvas, Box(page.left, grid_top, page.width, grid_height), cells, columns)


def _print_heading(canvas: _Canvas, box: Box) -> None:
    palette, baseline = canvas.palette, box.top + box.height
    widest = round(0.45 * box.width)
    word = fitted_line("SANDBOX", widest, 10 * canvas.unit)
    canvas.print_ink(word.mask, box.left, baseline - word.rise, palette.accent, palette.board)
    note = fitted_line("no model was called", widest, 3.4 * canvas.unit)
    note_left = box.left + box.width - note.mask.width
    canvas.print_ink(note.mask, note_left, baseline - note.rise, palette.label, palette.board)


def _print_prompt(canvas: _Canvas, box: Box, prompt: str) -> None:
    palette, unit = canvas.palette, canvas.unit
    bar_width, padding = max(1, round(unit)), round(4 * unit)
    canvas.fill(box, palette.panel)
    canvas.fill(box._replace(width=bar_width), palette.accent)
    text_width = box.width - bar_width - 2 * padding
    mask = fitted_paragraph(prompt, text_width, box.height - padding, 12 * unit)
    top = box.top + (box.height - mask.height) // 2
    canvas.print_ink(mask, box.left + bar_width + padding, top, _WHITE, palette.panel)


def _print_cells(canvas: _Canvas, box: Box, cells: list[tuple[str, str]], columns: int) -> None:
    gap = round(3 * canvas.unit)
    width = (box.width - gap * (columns - 1)) // columns
    height = round(_CELL_HEIGHT_UNITS * canvas.unit)
    for index, (name, value) in enumerate(cells):
        row, column = divmod(index, columns)
        cell = Box(box.left + column * (width + gap), box.top + row * height, width, height)
        _print_cell(canvas, cell, name, value)


def _print_cell(canvas: _Canvas, box: Box, name: str, value: str) -> None:
    palette, unit = canvas.palette, canvas.unit
    canvas.fill(box._replace(height=max(1, round(0.25 * unit))), palette.label)
    label = fitted_line(name, box.width, 2.6 * unit)
    label_top = box.top + round(4 * unit) - label.rise
    canvas.print_ink(label.mask, box.left, label_top, palette.label, palette.board)
    text = fitted_line(value, box.width, 4.4 * unit)
    text_top = box.top + round(9 * unit) - text.rise
    canvas.print_ink(text.mask, box.left, text_top, _WHITE, palette.board)


def _cells(
    width: int, height: int, seed: int, model: str, reference_count: int
) -> list[tuple[str, str]]:
    cells = [("SIZE", f"{width}*{height}"), ("SEED", str(seed)), ("MODEL", model)]
    if reference_count:
        cells.append(("REFERENCES", str(reference_count)))
    return cells


def _palette(prompt: str, seed: int) -> _Palette:
    """Derive the board's hue from the prompt, and that of stripes and heading from the seed."""
    board_hue = _fraction(prompt)
    return _Palette(
        board=_color(board_hue, lightness=0.11, saturation=0.55),
        panel=_color(board_hue, lightness=0.18, saturation=0.5),
        accent=_color(_fraction(f"seed {seed}"), lightness=0.67, saturation=0.85),
        label=_color(board_hue, lightness=0.68, saturation=0.3),
    )


def _fraction(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _color(hue: float, *, lightness: float, saturation: float) -> Color:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


@lru_cache(maxsize=64)  # a placeholder prints ten texts in four pairs of colours
def _shades(of_ink: int, of_paper: int) -> bytes:
    """Blend one band of ink and paper, for each of the 256 amounts of ink."""
    return bytes([(of_paper * (255 - amount) + of_ink * amount) // 255 for amount in range(256)])


def _stripes(width: int, height: int, palette: _Palette) -> bytes:
    """The slanted bars of a clapper stick, twice as wide as they are high."""
    bar_width = 2 * height
    bars = bytes(palette.accent) * bar_width + bytes(palette.panel) * bar_width
    row = bars * (-(-(width + height) // (2 * bar_width)))
    return b"".join(row[3 * y : 3 * (y + width)] for y in range(height))
