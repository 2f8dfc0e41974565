"""Rows of CSV, TSV and JSONL, read one by one in constant memory."""

import csv
import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from stills.contract.errors import InvalidRequest
from stills.shotlist.input_file import LINE_MAX_CHARACTERS, InputFile, line_too_long
from stills.shotlist.json_reader import parse_line
from stills.shotlist.options import ListOptions
from stills.shotlist.row import Row
from stills.shotlist.shots import Problem
from stills.shotlist.table import Line, read_table

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = ",;\t"

_DECLARED_DELIMITER = re.compile(r'\ufeff?("?)sep=([^\w\s"]|\t)\1[ \t]*(\r|\n|$)', re.IGNORECASE)


def jsonl_rows(file: InputFile) -> Iterator[Row | Problem]:
    """Read one JSON object per line."""
    position = 0
    with closing(file.lines(cut=True)) as lines:
        for number, line in enumerate(lines, start=1):
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


def csv_rows(
    file: InputFile, options: ListOptions, *, delimiter: str | None
) -> Iterator[Row | Problem]:
    """Read a table whose first line that is not blank names the columns.

    Without a delimiter, the one that gives the most columns is used. A line such as Excel's
    `sep=;` before the heading sets it.

    Raises:
        InvalidRequest: two columns have the same name, or there is no heading.
    """
    declared = _DECLARED_DELIMITER.match(file.decoded_head())
    delimiter = declared[2] if declared else delimiter or _detect_delimiter(file)
    with closing(file.lines()) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        if declared:
            next(reader)
        yield from read_table(file.name, _csv_lines(file, reader), options)


def _csv_lines(file: InputFile, reader: "Reader") -> Iterator[Line]:
    while True:
        source = f"{file.name}:{reader.line_num + 1}"
        try:
            yield Line(source, next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(source, _unreadable(source, error))


def _detect_delimiter(file: InputFile) -> str:
    lines = file.decoded_head().lstrip("\ufeff").splitlines(keepends=True)

    def columns(delimiter: str) -> int:
        try:
            for row in csv.reader(lines, delimiter=delimiter):
                if any(cell.strip(DELIMITERS) for cell in row):
                    return len(row)
        except csv.Error:
            pass
        return 0

    return max(DELIMITERS, key=columns)


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
