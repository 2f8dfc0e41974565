"""Rows of an Excel workbook (.xlsx), as Excel, Google Sheets, Numbers and LibreOffice write it.

openpyxl reads it row by row, so that a cell in the last row and column takes no memory for the
empty ones before it. What it reads is bounded first: a workbook is a ZIP archive, and may be one
that expands to any size.
"""

import datetime as dt
import warnings
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import openpyxl
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from stills.contract.errors import InvalidRequest
from stills.shotlist.input_file import InputFile
from stills.shotlist.options import ListOptions
from stills.shotlist.row import Row
from stills.shotlist.shots import Problem
from stills.shotlist.table import Line, read_table

ROWS_MAX = 100_000
COLUMNS_MAX = 256
SHEET_ROWS_MAX = 1_048_576
"""The last row of a sheet in Excel; some programs write it although it is empty."""
CELLS_MAX = 20_000_000
"""The limit of cells, also of empty ones that are only formatted."""
CELLS_MAX_BYTES = 32 * 1024 * 1024
"""The limit of all sheets and their texts together, unpacked."""
PART_MAX_BYTES = 4 * 1024 * 1024
"""The limit of every other part of the workbook, such as its styles; media are not read."""
PARTS_MAX = 10_000

_CELL_PARTS = ("xl/worksheets/", "xl/sharedStrings")
_MEDIA = "xl/media/"
_ERROR_TYPE = "e"


def workbook_rows(file: InputFile, options: ListOptions) -> Iterator[Row | Problem]:
    """Read a sheet: the first one, or the one that `options` names.

    Formulas have the values that were saved with them.

    Raises:
        InvalidRequest: the workbook is damaged or too large, or has no such sheet or no heading.
    """
    with file.binary() as opened:
        _check_bytes(file.name, opened)
        lines = read_lines(file.name, opened, options.sheet)
    return read_table(file.name, iter(lines), options)


def _check_bytes(name: str, opened: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(opened) as archive:
            parts = [one for one in archive.infolist() if not one.filename.startswith(_MEDIA)]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise _damaged(name) from None
    cells = [one for one in parts if one.filename.lstrip("/").startswith(_CELL_PARTS)]
    others = [one.file_size for one in parts if one not in cells]
    is_large = sum(one.file_size for one in cells) > CELLS_MAX_BYTES
    if is_large or len(parts) > PARTS_MAX or max(others, default=0) > PART_MAX_BYTES:
        raise InvalidRequest(
            f"{name} is too large to read: over {CELLS_MAX_BYTES // 1024**2} MB unpacked",
            action="Save the sheet as CSV, which is read row by row.",
        )


def read_lines(name: str, opened: BinaryIO, sheet_name: str | None) -> list[Line]:
    """Read the lines of a sheet, by default the first.

    Raises:
        InvalidRequest: the workbook is damaged or too large, or has no such sheet.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formatting, which is not read
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
            sheet = _find_sheet(name, book, sheet_name)
            return list(_sheet_lines(name, sheet))
    except InvalidRequest:
        raise
    except Exception:  # noqa: BLE001 - openpyxl raises errors of any type for a damaged file
        raise _damaged(name) from None


def _find_sheet(name: str, book: openpyxl.Workbook, wanted: str | None) -> ReadOnlyWorksheet:
    sheets = {one.title: one for one in book.worksheets if isinstance(one, ReadOnlyWorksheet)}
    if wanted is None and sheets:
        return next(iter(sheets.values()))
    found = next((one for title, one in sheets.items() if title.strip() == wanted), None)
    if found is None:
        titles = ", ".join(title[:40] for title in list(sheets)[:20])
        raise InvalidRequest(
            f"{name} has no sheet {(wanted or '')[:40]!r}",
            field="sheet",
            action=f"Its sheets are {titles}.",
        )
    return found


def _sheet_lines(name: str, sheet: ReadOnlyWorksheet) -> Iterator[Line]:
    sheet.reset_dimensions()  # some programs write wrong ones
    width = written = seen = 0
    rows = sheet.iter_rows()  # type: ignore[misc] # the stub's fault
    for number, row in enumerate(rows, start=1):
        source = f"{name}:{number}"
        seen += len(row)
        if number > SHEET_ROWS_MAX or seen > CELLS_MAX:
            raise _damaged(name)
        if not any(cell.value not in (None, "") for cell in row):
            continue
        written += 1
        cells = [_as_text(cell.value) for cell in row]
        while not cells[-1]:
            cells.pop()
        if len(cells) > COLUMNS_MAX or written > ROWS_MAX:
            raise InvalidRequest(
                f"{source} is beyond the limit of {COLUMNS_MAX} columns and {ROWS_MAX} rows",
                action="Delete what is not part of the shot list, or save the sheet as CSV.",
            )
        error = next((cell for cell in row if cell.data_type == _ERROR_TYPE), None)
        if error is not None:
            reason = f"a cell has the error {str(error.value)[:40]}"
            yield Line(source, Problem(source, None, reason, "Fix its formula, and save the file."))
            continue
        width = width or len(cells)
        yield Line(source, cells + [""] * (width - len(cells)))


def _as_text(value: object) -> str:
    """Write a cell as a CSV file would have it."""
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case float() if value.is_integer():
            text = str(int(value))
        case dt.timedelta():
            text = _clock(value)
        case dt.time():
            text = _clock(_since_midnight(value))
        case dt.datetime():
            text = value.isoformat(sep=" ").removesuffix(" 00:00:00")
        case _:
            text = str(value)
    return text


def _since_midnight(time: dt.time) -> dt.timedelta:
    return dt.timedelta(
        hours=time.hour,
        minutes=time.minute,
        seconds=time.second,
        microseconds=time.microsecond,
    )


def _clock(time: dt.timedelta) -> str:
    """Write a time as it was typed: Excel takes `0:04` for four minutes, and shows it as `0:04`."""
    minutes, seconds = divmod(round(time.total_seconds(), 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}" + (f":{seconds:06.3f}".removesuffix(".000") if seconds else "")


def _damaged(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"{name} is not an Excel workbook that can be read",
        action="Save it again as .xlsx without a password, or as CSV.",
    )
