"""Rows of formats that are read one by one, in flat memory: CSV, TSV, JSONL."""

import csv
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stills.contract.errors import InvalidRequest
from stills.shotlist.input_file import LINE_MAX_CHARACTERS, Source, overlong
from stills.shotlist.json_reader import parse_line
from stills.shotlist.row import Row, check_known, is_absent
from stills.shotlist.shots import Problem

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = ",;\t"

_SAID_DELIMITER = re.compile(r'\ufeff?("?)sep=([^\w\s"]|\t)\1[ \t]*(\r|\n|$)', re.IGNORECASE)


def problem(source: str, error: InvalidRequest) -> Problem:
    """Put an error into a row's report."""
    return Problem(source, error.field, error.message, error.action)


def jsonl_rows(source: Source) -> Iterator[Row | Problem]:
    """Read one JSON object a line."""
    position = 0
    for number, line in enumerate(source.lines(cut=True), start=1):
        if not line.strip().lstrip("\ufeff"):
            continue
        position += 1
        where = f"{source.name}:{number}"
        if len(line) >= LINE_MAX_CHARACTERS:
            yield problem(where, overlong())
            continue
        try:
            values = parse_line(line.lstrip("\ufeff"))
        except InvalidRequest as error:
            yield problem(where, error)
        else:
            yield Row(where, position, values)


def csv_rows(source: Source, *, delimiter: str | None) -> Iterator[Row | Problem]:
    """Read a table whose first line names the columns; without a delimiter, it is told by that.

    Before it may stand Excel's `sep=;`, which says the delimiter.

    Raises:
        InvalidRequest: two columns have one name, or there is no heading.
    """
    said = _SAID_DELIMITER.match(source.decoded_head())
    delimiter = said[2] if said else delimiter or _tell_delimiter(source)
    reader = csv.reader(source.lines(), delimiter=delimiter, strict=True)
    if said:
        next(reader)
    first = f"{source.name}:{reader.line_num + 1}"
    heading = _read_heading(source, reader, first)
    unknown = set()
    for column in heading:
        try:
            if column:
                check_known([column])
        except InvalidRequest as error:
            unknown.add(column)
            yield problem(first, error)
    for position, (cells, where) in enumerate(_records(source, reader), start=1):
        if isinstance(cells, Problem):
            yield cells
        elif len(cells) != len(heading):
            yield _ragged(where, cells, heading)
        elif any(cell for column, cell in zip(heading, cells, strict=True) if not column):
            yield Problem(where, None, "a cell has no heading", "Name its column, or empty it.")
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


def _records(source: Source, reader: "Reader") -> Iterator[tuple[list[str] | Problem, str]]:
    while True:
        where = f"{source.name}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _damaged(where, error), where
            continue
        if any(cell.strip() for cell in cells):
            yield cells, where


def _read_heading(source: Source, reader: "Reader", where: str) -> list[str]:
    try:
        heading = [column.strip().lstrip("\ufeff") for column in next(reader)]
    except StopIteration:
        raise InvalidRequest(f"{source.name} is empty", action="Give a heading.") from None
    except csv.Error as error:
        raise InvalidRequest(
            f"{where} is no heading: {error}", action="Name the columns in the first line."
        ) from None
    for column in heading:
        if column and heading.count(column) > 1:
            raise InvalidRequest(
                f"{where} has two columns {column[:40]!r}",
                field=column[:40],
                action="Rename or remove one.",
            )
    if not any(heading):
        raise InvalidRequest(f"{where} is no heading", action="Name the columns in the first line.")
    return heading


def _tell_delimiter(source: Source) -> str:
    first = source.decoded_head().lstrip("\ufeff").splitlines()[:1]

    def columns(delimiter: str) -> int:
        try:
            return max((len(row) for row in csv.reader(first, delimiter=delimiter)), default=0)
        except csv.Error:
            return 0

    return max(DELIMITERS, key=columns)


def _ragged(where: str, cells: list[str], heading: list[str]) -> Problem:
    return Problem(
        where,
        None,
        f"the row has {len(cells)} of the heading's {len(heading)} cells",
        "Put text that has the delimiter in it between double quotes.",
    )


def _damaged(where: str, error: csv.Error) -> Problem:
    if "field limit" in str(error):
        return Problem(
            where,
            None,
            f"a cell is longer than {csv.field_size_limit()} characters",
            "Close its quote; give reference images as paths or URLs.",
        )
    return Problem(
        where,
        None,
        f"the quotes can't be read: {str(error)[:200]}",
        'Close every quote, and write "" for a quote within one.',
    )
