"""What a file says beside and before its rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stills.shotlist.cast import Member
from stills.shotlist.row import Located, Row
from stills.shotlist.shots import Defaults, Problem


@dataclass(frozen=True, slots=True)
class Project:
    """A file that was read as a whole; a table of rows is one without anything but rows.

    `cast` is None where the file has no such thing, so that ids of other tables mean nothing.
    """

    rows: Sequence[Row] = ()
    defaults: Defaults = field(default_factory=Defaults)
    cast: Mapping[str, Member] | None = None
    title: str | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


class Notes:
    """What is to be told once of a file: what was left out of its rows, and why."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._unused: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Note something, once."""
        self._texts[text] = None

    def unused(self, column: str) -> None:
        """Note a column that says nothing about a still."""
        self._unused[column[:40]] = None

    def texts(self) -> list[str]:
        """Give all notes, the unused columns in one."""
        if not self._unused:
            return list(self._texts)
        return [f"not used for stills: {', '.join(self._unused)}", *self._texts]


def number_rows(written: Iterable[object], name: str) -> list[Row]:
    """Say of each row where it stands."""
    return [
        Row(place(values, name) or f"{name}, row {position}", position, values)
        for position, values in enumerate(written, start=1)
    ]


def place(values: object, name: str) -> str | None:
    """Say where a mapping begins, if it knows."""
    return f"{name}:{values.line}" if isinstance(values, Located) and values.line else None
