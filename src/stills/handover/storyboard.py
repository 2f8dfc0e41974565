"""The film as a storyboard to print: six frames per page with their id, duration and words."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from noto_cjk_sans_jp_regular import FONT_PATH

from stills.contract.timecode import format_timecode
from stills.handover.extra import load
from stills.handover.shot_rows import ShotRow, list_rows
from stills.handover.text import one_line
from stills.review.film import Film

if TYPE_CHECKING:
    from fpdf import FPDF

PREVIEW_SIDE_PIXELS = 900
"""The longest side of the images, about 300 dots per inch on paper."""

# In millimetres, on A4 across.
_PAGE_WIDTH, _PAGE_HEIGHT, _MARGIN = 297, 210, 12
_COLUMNS, _ROWS, _GAP = 3, 2, 8
_TOP, _LINE = 22, 3.9
_CELL_WIDTH = (_PAGE_WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) / _COLUMNS
_CELL_HEIGHT = (_PAGE_HEIGHT - _TOP - _MARGIN - (_ROWS - 1) * _GAP) / _ROWS
_PICTURE_HEIGHT = _CELL_WIDTH * 9 / 16
_TEXT_LINES = 7
_DIALOGUE_LINES, _COMMENT_LINES = 3, 2  # at most, if there is more to say
_FONT = "noto"
_GREY, _BLACK, _PAPER = 110, 20, 238


def write_storyboard(film: Film, previews: Sequence[bytes], output: Path) -> None:
    """Write a PDF; `previews` are the images as JPEGs, in the order of the film. Blocks.

    Raises:
        ToolMissing: fpdf2 is not installed.
    """
    pdf = _new_document(film)
    per_page = _COLUMNS * _ROWS
    pages = -(-len(film.stills) // per_page)
    for index, (row, preview) in enumerate(zip(list_rows(film), previews, strict=True)):
        page, place = divmod(index, per_page)
        if place == 0:
            _start_page(pdf, film, f"{page + 1} / {pages}")
        down, across = divmod(place, _COLUMNS)
        x = _MARGIN + across * (_CELL_WIDTH + _GAP)
        y = _TOP + down * (_CELL_HEIGHT + _GAP)
        _draw(pdf, row, preview, fps=film.fps, x=x, y=y)
    output.write_bytes(bytes(pdf.output()))


def _new_document(film: Film) -> "FPDF":
    logging.getLogger("fpdf").setLevel(logging.ERROR)  # it warns about each character it lacks
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    pdf: FPDF = load("fpdf", "pdf").FPDF(orientation="landscape", unit="mm", format="A4")
    pdf.set_auto_page_break(False)
    pdf.c_margin = 0
    pdf.add_font(_FONT, fname=str(FONT_PATH))
    pdf.set_title(one_line(film.title))
    pdf.set_creator("Stills")
    return pdf


def _start_page(pdf: "FPDF", film: Film, number: str) -> None:
    pdf.add_page()
    _write(pdf, _MARGIN, 9, 180, one_line(film.title), size=12)
    length = f"{len(film.stills)} shots, {format_timecode(film.frames, film.fps)}   {number}"
    _write(pdf, _PAGE_WIDTH - _MARGIN - 90, 9, 90, length, size=8, align="R", grey=_GREY)


def _draw(
    pdf: "FPDF",
    row: ShotRow,
    preview: bytes,
    *,
    fps: int,
    x: float,
    y: float,
) -> None:
    pdf.set_fill_color(_PAPER)
    pdf.rect(x, y, _CELL_WIDTH, _PICTURE_HEIGHT, style="F")
    pdf.image(
        io.BytesIO(preview), x, y, _CELL_WIDTH, _PICTURE_HEIGHT, keep_aspect_ratio=True,
        alt_text=one_line(row.still.shot_id),
    )  # fmt: skip
    y += _PICTURE_HEIGHT + 1.5
    mark = f"   {row.pick}" if row.pick else ""
    length = f"{row.still.frames / fps:.2f} s   {format_timecode(row.start, fps)}"
    half = _CELL_WIDTH / 2
    _write(pdf, x, y, half, one_line(row.still.shot_id) + mark, size=9)
    _write(pdf, x + half, y, half, length, size=7.5, align="R", grey=_GREY)
    y += _LINE + 1
    for line, grey in _lay_out(pdf, row):
        _write(pdf, x, y, _CELL_WIDTH, line, size=7.5, grey=grey)
        y += _LINE


def _lay_out(pdf: "FPDF", row: ShotRow) -> list[tuple[str, int]]:
    """Return the lines below a frame, with their grey: dialogue, prompt and comments."""
    dialogue = _wrap(pdf, one_line(row.dialogue), _DIALOGUE_LINES)
    comments: list[str] = []
    for comment in row.comments:
        comments += _wrap(pdf, f"- {one_line(comment)}", _COMMENT_LINES - len(comments))
    prompt = _wrap(pdf, one_line(row.prompt), _TEXT_LINES - len(dialogue) - len(comments))
    return [
        *((line, _BLACK) for line in dialogue),
        *((line, _GREY) for line in prompt),
        *((line, _BLACK) for line in comments),
    ]


def _write(
    pdf: "FPDF",
    x: float,
    y: float,
    width: float,
    text: str,
    *,
    size: float,
    align: str = "L",
    grey: int = _BLACK,
) -> None:
    """Write one line, cut to its width."""
    pdf.set_font(_FONT, size=size)
    pdf.set_text_color(grey)
    pdf.set_xy(x, y)
    lines = _break(pdf, text, width)
    if lines:
        first = lines[0] if len(lines) == 1 else _cut(lines[0])
        pdf.cell(width, _LINE, first, align=align)


def _wrap(pdf: "FPDF", text: str, most: int) -> list[str]:
    """Break text into lines; the last one shows that something was cut off."""
    if most < 1:
        return []
    pdf.set_font(_FONT, size=7.5)
    lines = _break(pdf, text, _CELL_WIDTH)
    return lines if len(lines) <= most else [*lines[: most - 1], _cut(lines[most - 1])]


def _break(pdf: "FPDF", text: str, width: float) -> list[str]:
    lines = pdf.multi_cell(width, _LINE, text, dry_run=True, output="LINES")
    return lines if isinstance(lines, list) else []


def _cut(line: str) -> str:
    return f"{line[:-1].rstrip()}…"
