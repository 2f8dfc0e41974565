"""Rows of CSV, TSV and JSONL, read one by one in constant memory."""

import csv
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stills.contract.errors import InvalidRequest
from stills.shotlist.input_file import LINE_MAX_CHARACTERS, InputFile, line_too_long
from stills.shotlist.json_reader import parse_line
from stills.shotlist.row import Row, check_known, is_absent
from stills.shotlist.shots import Problem

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = ",;\t"

_DECLARED_DELIMITER = re.compile(r'\ufeff?("?)sep=([^\w\s"]|\t)\1[ \t]*(\r|\n|$)', re.IGNORECASE)


def jsonl_rows(file: InputFile) -> Iterator[Row | Problem]:
    """Read one JSON object per line."""
    position = 0
    for number, line in enumerate(file.lines(cut=True), start=1):
        if not line.strip().lstrip("\ufeff"):
            continue
        position += 1
        where = f"{file.name}:{number}"
        if len(line) >= LINE_MAX_CHARACTERS:
            yield Problem.of(where, line_too_long())
            continue
        try:
            values = parse_line(line.lstrip("\ufeff"))
        except InvalidRequest as error:
            yield Problem.of(where, error)
        else:
            yield Row(where, position, values)


def csv_rows(file: InputFile, *, delimiter: str | None) -> Iterator[Row | Problem]:
    """Read a table whose first line names the columns.

    Without a delimiter, the one that gives the most columns is used. A line such as Excel's
    `sep=;` before the heading sets it.

    Raises:
        InvalidRequest: two columns have the same name, or there is no heading.
    """
    declared = _DECLARED_DELIMITER.match(file.decoded_head())
    delimiter = declared[2] if declared else delimiter or _detect_delimiter(file)
    reader = csv.reader(file.lines(), delimiter=delimiter, strict=True)
    if declared:
        next(reader)
    first = f"{file.name}:{reader.line_num + 1}"
    heading = _read_heading(file, reader, first)
    unknown = set()
    for column in heading:
        try:
            if column:
                check_known([column])
        except InvalidRequest as error:
            unknown.add(column)
            yield Problem.of(first, error)
    for position, (cells, where) in enumerate(_numbered_rows(file, reader), start=1):
        if isinstance(cells, Problem):
            yield cells
        elif len(cells) != len(heading):
            yield _wrong_length(where, cells, heading)
        elif any(cell for column, cell in zip(heading, cells, strict=True) if not column):
            yield Problem(
                where, None, "a cell has no heading", "Name its column, or clear the cell."
            )
        else:
            named = zip(heading, cells, strict=True)
            yield Row(
                where,
                position,
                {
                    column: cell
                    for column, cell in named
                    if column and column not in unknown and not is_absent(cell)
                },
            )


def _numbered_rows(file: InputFile, reader: "Reader") -> Iterator[tuple[list[str] | Problem, str]]:
    while True:
        where = f"{file.name}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(where, error), where
            continue
        if any(cell.strip() for cell in cells):
            yield cells, where


def _read_heading(file: InputFile, reader: "Reader", where: str) -> list[str]:
    try:
        heading = [column.strip().lstrip("\ufeff") for column in next(reader)]
    except StopIteration:
        raise InvalidRequest(
            f"{file.name} is empty", action="Add a heading that names the columns."
        ) from None
    except csv.Error as error:
        raise InvalidRequest(
            f"{where} is not a valid heading: {error}", action="Name the columns in the first line."
        ) from None
    for column in heading:
        if column and heading.count(column) > 1:
            raise InvalidRequest(
                f"{where} has two columns named {column[:40]!r}",
                field=column[:40],
                action="Rename or remove one.",
            )
    if not any(heading):
        raise InvalidRequest(
            f"{where} is not a valid heading", action="Name the columns in the first line."
        )
    return heading


def _detect_delimiter(file: InputFile) -> str:
    first = file.decoded_head().lstrip("\ufeff").splitlines()[:1]

    def columns(delimiter: str) -> int:
        try:
            return max((len(row) for row in csv.reader(first, delimiter=delimiter)), default=0)
        except csv.Error:
            return 0

    return max(DELIMITERS, key=columns)


def _wrong_length(where: str, cells: list[str], heading: list[str]) -> Problem:
    return Problem(
        where,
        None,
        f"the row has {len(cells)} cells, but the heading has {len(heading)}",
        "Put text that contains the delimiter in double quotes.",
    )


def _unreadable(where: str, error: csv.Error) -> Problem:
    if "field limit" in str(error):
        return Problem(
            where,
            None,
            f"a cell is longer than {csv.field_size_limit()} characters",
            "Close its quote, and write reference images as paths or URLs.",
        )
    return Problem(
        where,
        None,
        f"the quotes are invalid: {str(error)[:200]}",
        'Close every quote, and write "" for a quote inside quotes.',
    )
