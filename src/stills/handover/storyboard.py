"""The film as a storyboard to print: six frames per page with their id, duration and words."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noto_cjk_sans_jp_regular import FONT_PATH

from stills.contract.ports.imaging import PngImage, TextLook
from stills.contract.timecode import format_timecode
from stills.handover.extra import load
from stills.handover.pictures import Pictures
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
_TEXT_POINTS = 7.5
_GREY, _BLACK, _PAPER = 110, 20, 238
# Text that the font can't show is a picture.
_DRAWN_PIXELS_PER_MM = 300 / 25.4
_DRAWN_PIXELS_PER_POINT = 300 / 72


def write_storyboard(film: Film, pictures: Pictures, output: Path) -> None:
    """Write a PDF. Blocks.

    Raises:
        DamagedImage: an image can't be decoded.
        OSError: an image can't be read.
        ToolMissing: fpdf2 is not installed.
    """
    sheet = _Sheet(_new_document(film), pictures)
    per_page = _COLUMNS * _ROWS
    pages = -(-len(film.stills) // per_page)
    for index, row in enumerate(list_rows(film)):
        page, place = divmod(index, per_page)
        if place == 0:
            sheet.start_page(film, f"{page + 1} / {pages}")
        down, across = divmod(place, _COLUMNS)
        x = _MARGIN + across * (_CELL_WIDTH + _GAP)
        y = _TOP + down * (_CELL_HEIGHT + _GAP)
        sheet.draw(row, fps=film.fps, x=x, y=y)
    output.write_bytes(bytes(sheet.pdf.output()))


def _new_document(film: Film) -> "FPDF":
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    pdf: FPDF = load("fpdf", "pdf").FPDF(orientation="landscape", unit="mm", format="A4")
    pdf.set_auto_page_break(False)
    pdf.c_margin = 0
    pdf.add_font(_FONT, fname=str(FONT_PATH))
    pdf.set_title(one_line(film.title))
    pdf.set_creator("Stills")
    return pdf


@dataclass(frozen=True, slots=True)
class _Words:
    """A paragraph in a shade of grey: its lines, or a picture of it."""

    shown: list[str] | PngImage
    grey: int

    @property
    def lines(self) -> int:
        """How many lines it takes."""
        if isinstance(self.shown, list):
            return len(self.shown)
        return -(-self.shown.size.height // round(_LINE * _DRAWN_PIXELS_PER_MM))


class _Sheet:
    def __init__(self, pdf: "FPDF", pictures: Pictures) -> None:
        self.pdf = pdf
        self._pictures = pictures
        self._known = frozenset(getattr(pdf.fonts[_FONT], "cmap", ()))

    def start_page(self, film: Film, number: str) -> None:
        self.pdf.add_page()
        self._write(_MARGIN, 9, 180, one_line(film.title), points=12)
        length = f"{len(film.stills)} shots, {format_timecode(film.frames, film.fps)}   {number}"
        self._write(_PAGE_WIDTH - _MARGIN - 90, 9, 90, length, points=8, align="R", grey=_GREY)

    def draw(self, row: ShotRow, *, fps: int, x: float, y: float) -> None:
        preview = self._pictures.scale_down(row.still.file.read_bytes(), PREVIEW_SIDE_PIXELS)
        self.pdf.set_fill_color(_PAPER)
        self.pdf.rect(x, y, _CELL_WIDTH, _PICTURE_HEIGHT, style="F")
        self.pdf.image(
            io.BytesIO(preview), x, y, _CELL_WIDTH, _PICTURE_HEIGHT, keep_aspect_ratio=True,
            alt_text=one_line(row.still.shot_id),
        )  # fmt: skip
        y += _PICTURE_HEIGHT + 1.5
        mark = f"   {row.pick}" if row.pick else ""
        length = f"{row.still.frames / fps:.2f} s   {format_timecode(row.start, fps)}"
        half = _CELL_WIDTH / 2
        self._write(x, y, half, one_line(row.still.shot_id) + mark, points=9)
        self._write(x + half, y, half, length, points=_TEXT_POINTS, align="R", grey=_GREY)
        y += _LINE + 1
        for words in self._lay_out(row):
            if isinstance(words.shown, list):
                for number, line in enumerate(words.shown):
                    self._put(x, y + number * _LINE, _CELL_WIDTH, line, grey=words.grey)
            else:
                self._place(x, y, words.shown)
            y += words.lines * _LINE

    def _lay_out(self, row: ShotRow) -> Iterator[_Words]:
        """Yield the paragraphs below a frame: dialogue, prompt and comments."""
        dialogue = self._wrap(row.dialogue, _DIALOGUE_LINES, _BLACK)
        comments: list[_Words] = []
        room = _COMMENT_LINES
        for comment in row.comments:
            comments.append(self._wrap(f"- {one_line(comment)}", room, _BLACK))
            room -= comments[-1].lines
        room = _TEXT_LINES - dialogue.lines - (_COMMENT_LINES - room)
        yield dialogue
        yield self._wrap(row.prompt, room, _GREY)
        yield from comments

    def _wrap(self, text: str, most: int, grey: int) -> _Words:
        """Break text into lines; the last one shows that something was cut off."""
        text = one_line(text)
        if most < 1 or not text:
            return _Words([], grey)
        if not self._can_show(text):
            return _Words(self._draw_text(text, _CELL_WIDTH, most, _TEXT_POINTS, grey), grey)
        self.pdf.set_font(_FONT, size=_TEXT_POINTS)
        lines = self._break(text, _CELL_WIDTH)
        return _Words(
            lines if len(lines) <= most else [*lines[: most - 1], _cut(lines[most - 1])], grey
        )

    def _write(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        *,
        points: float,
        align: str = "L",
        grey: int = _BLACK,
    ) -> None:
        """Write one line, cut to its width."""
        if not self._can_show(text):
            self._place(x, y, self._draw_text(text, width, 1, points, grey))
            return
        self.pdf.set_font(_FONT, size=points)
        lines = self._break(text, width)
        if lines:
            first = lines[0] if len(lines) == 1 else _cut(lines[0])
            self._put(x, y, width, first, points=points, align=align, grey=grey)

    def _put(
        self,
        x: float,
        y: float,
        width: float,
        line: str,
        *,
        points: float = _TEXT_POINTS,
        align: str = "L",
        grey: int,
    ) -> None:
        self.pdf.set_font(_FONT, size=points)
        self.pdf.set_text_color(grey)
        self.pdf.set_xy(x, y)
        self.pdf.cell(width, _LINE, line, align=align)

    def _place(self, x: float, y: float, picture: PngImage) -> None:
        width = picture.size.width / _DRAWN_PIXELS_PER_MM
        self.pdf.image(io.BytesIO(picture.data), x, y, width)

    def _can_show(self, text: str) -> bool:
        return all(ord(one) in self._known for one in text)

    def _draw_text(self, text: str, width: float, lines: int, points: float, grey: int) -> PngImage:
        look = TextLook(
            width=round(width * _DRAWN_PIXELS_PER_MM),
            height_max=round(lines * _LINE * points / _TEXT_POINTS * _DRAWN_PIXELS_PER_MM),
            font_pixels=round(points * _DRAWN_PIXELS_PER_POINT),
            colour=(grey, grey, grey),
        )
        return self._pictures.draw_text(text, look)

    def _break(self, text: str, width: float) -> list[str]:
        lines = self.pdf.multi_cell(width, _LINE, text, dry_run=True, output="LINES")
        return lines if isinstance(lines, list) else []


def _cut(line: str) -> str:
    return f"{line[:-1].rstrip()}…"
