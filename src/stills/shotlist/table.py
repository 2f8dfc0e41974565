"""Tables: rows of cells below a heading that names the columns, in any format."""

from collections.abc import Iterator
from typing import NamedTuple

from stills.contract.errors import InvalidRequest
from stills.shotlist.options import ListOptions
from stills.shotlist.row import Row, is_absent
from stills.shotlist.shots import Problem
from stills.shotlist.unknown_columns import check_known, is_known


class Line(NamedTuple):
    """A row of a table, or why it can't be read. `source` is where it is."""

    source: str
    cells: list[str] | Problem

    @property
    def is_blank(self) -> bool:
        """Whether all its cells are empty."""
        return not isinstance(self.cells, Problem) and not any(map(str.strip, self.cells))


def read_table(name: str, lines: Iterator[Line], options: ListOptions) -> Iterator[Row | Problem]:
    """Read the rows of a table; its first line that is not blank is the heading.

    Unknown columns are one problem, and are left out of the rows, unless `options` keeps them.

    Raises:
        InvalidRequest: two columns have the same name, or there is no heading.
    """
    written = (line for line in lines if not line.is_blank)
    first, heading = _read_heading(name, written)
    left_out = {column for column in heading if options.is_ignored(column)}
    try:
        if not options.keep_unknown:
            check_known(column for column in heading if column and column not in left_out)
    except InvalidRequest as error:
        left_out |= {column for column in heading if column and not is_known(column)}
        yield Problem.of(first, error)
    for position, (source, cells) in enumerate(written, start=1):
        if isinstance(cells, Problem):
            yield cells
            continue
        while len(cells) > len(heading) and not cells[-1].strip():
            cells.pop()
        named = list(zip(heading, cells, strict=False))
        if len(cells) != len(heading):
            yield _wrong_length(source, cells, heading)
        elif any(cell.strip() for column, cell in named if not column):
            yield Problem(
                source, None, "a cell has no heading", "Name its column, or clear the cell."
            )
        else:
            yield Row(
                source,
                position,
                {
                    column: cell
                    for column, cell in named
                    if column and column not in left_out and not is_absent(cell)
                },
            )


def _read_heading(name: str, lines: Iterator[Line]) -> tuple[str, list[str]]:
    source, cells = next(lines, (name, None))
    if cells is None:
        raise InvalidRequest(f"{name} is empty", action="Add a heading that names the columns.")
    if isinstance(cells, Problem):
        raise InvalidRequest(
            f"{source} is not a valid heading: {cells.message}",
            action="Name the columns in the first line.",
        )
    heading = [column.strip().lstrip("\ufeff") for column in cells]
    for column in heading:
        if column and heading.count(column) > 1:
            raise InvalidRequest(
                f"{source} has two columns named {column[:40]!r}",
                field=column[:40],
                action="Rename or remove one.",
            )
    return source, heading


def _wrong_length(source: str, cells: list[str], heading: list[str]) -> Problem:
    return Problem(
        source,
        None,
        f"the row has {len(cells)} cells, but the heading has {len(heading)}",
        "Name every column, and put text that contains the delimiter in double quotes.",
    )
