"""How to read a shot list, as the command line specifies it."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.shotlist.columns import fold
from stills.shotlist.durations import FRAME_RATE_DEFAULT


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What to read of a file.

    `sheet` is the name of a workbook's sheet; by default it is the first. `ignored_columns` are
    left out of every row. With `weave`, prompts start with the columns on framing. `frame_rate` is
    that of timecodes, in frames per second. `cast_file` has members for every shot, and variables.
    `keep_unknown` keeps the unknown columns of tables, for templates.
    """

    sheet: str | None = None
    ignored_columns: tuple[str, ...] = ()
    weave: bool = False
    frame_rate: float = FRAME_RATE_DEFAULT
    cast_file: Path | None = None
    keep_unknown: bool = False

    def is_ignored(self, column: object) -> bool:
        """Return whether a column is left out; case, spaces, `-` and `_` make no difference."""
        return isinstance(column, str) and fold(column) in map(fold, self.ignored_columns)

    def without_ignored(self, values: object) -> object:
        """Return a row's values without the columns that are left out."""
        if not self.ignored_columns or not isinstance(values, Mapping):
            return values
        return {name: value for name, value in values.items() if not self.is_ignored(name)}


def parse_column_names(text: str) -> tuple[str, ...]:
    """Parse names such as `Lens,Camera notes`; a name with a comma is in double quotes.

    Raises:
        InvalidRequest: the quotes are invalid.
    """
    try:
        names = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise InvalidRequest(
            f"the names of columns can't be read: {error}",
            field="ignore_columns",
            action='Write them such as "Lens,Camera notes".',
        ) from None
    return tuple(name.strip() for name in names if name.strip())


def write_column_names(names: Iterable[str]) -> str:
    """Write names so that `parse_column_names` reads them again."""
    return ",".join(
        '"' + name.replace('"', '""') + '"' if {'"', ","} & {*name} else name for name in names
    )
