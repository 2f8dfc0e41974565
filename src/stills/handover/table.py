"""The shots of a film as a table, for spreadsheets."""

import csv
import io
from pathlib import Path

from stills.handover.shot_rows import ShotRow, list_rows
from stills.review.film import Film

COLUMNS = (
    "number", "id", "file", "start_frame", "frames", "duration", "pick", "take", "prompt", "seed",
    "comments", "notes", "dialogue",
)  # fmt: skip

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(film: Film, output: Path) -> None:
    """Write the table; `file` is the path of the image in the batch's folder. Blocks."""
    folder = film.folder.absolute()
    files = [still.file.relative_to(folder).as_posix() for still in film.stills]
    output.write_bytes(make_csv(film, files))


def make_csv(film: Film, files: list[str]) -> bytes:
    """Return the table as UTF-8 with a byte order mark, which Excel needs to read it as UTF-8."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for row, file in zip(list_rows(film), files, strict=True):
        table.writerow(map(_cell, _values(row, file, film.fps)))
    return text.getvalue().encode("utf-8-sig", "backslashreplace")


def _values(row: ShotRow, file: str, fps: int) -> tuple[object, ...]:
    return (
        row.number,
        row.still.shot_id,
        file,
        row.start,
        row.still.frames,
        round(row.still.frames / fps, 3),
        row.pick,
        row.take,
        row.prompt,
        row.seed,
        "\n".join(row.comments),
        "\n".join(row.notes),
        row.dialogue,
    )


def _cell(value: object) -> object:
    """Mark text that a spreadsheet would run as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
