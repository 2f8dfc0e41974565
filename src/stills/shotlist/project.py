"""A file that is read as a whole: its rows, and what they share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stills.shotlist.cast import Member
from stills.shotlist.row import Row, find_source
from stills.shotlist.shots import Defaults, Problem


@dataclass(frozen=True, slots=True)
class Project:
    """Rows with their defaults and cast; a plain table is a project with only rows.

    `cast` is None if the file defines none; then the ids of characters in its rows are ignored.
    """

    rows: Sequence[Row | Problem] = ()
    defaults: Defaults = field(default_factory=Defaults)
    cast: Mapping[str, Member] | None = None
    title: str | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


class Notes:
    """What was left out of a file, and why, without duplicates."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._unused: dict[str, None] = {}
        self._unwoven: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Add a note, unless it is there already."""
        self._texts[text] = None

    def add_unused(self, column: str) -> None:
        """Note a column that has no meaning for still images."""
        self._unused[column[:40]] = None

    def add_unwoven(self, column: str) -> None:
        """Note a column on framing that is not added to the prompt."""
        self._unwoven[column[:40]] = None

    def texts(self) -> list[str]:
        """Return all notes, with one note for all unused columns, and one for those on framing."""
        columns = []
        if self._unused:
            columns.append(f"not used for stills: {', '.join(self._unused)}")
        if self._unwoven:
            names = ", ".join(self._unwoven)
            columns.append(f"left out of the prompts: {names}; --weave adds them")
        return [*columns, *self._texts]


def number_rows(written: Iterable[object], name: str) -> list[Row]:
    """Give each row its position and source."""
    return [
        Row(find_source(values, name) or f"{name}, row {position}", position, values)
        for position, values in enumerate(written, start=1)
    ]
