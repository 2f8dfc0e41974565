"""A file that is read as a whole: its rows, and what they share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from stills.shotlist.cast import Member
from stills.shotlist.columns import find_field, fold
from stills.shotlist.row import Row, find_source
from stills.shotlist.shots import Defaults, Problem
from stills.shotlist.templates import Templates, find_names, find_row_names


@dataclass(frozen=True, slots=True)
class Project:
    """Rows with their defaults and cast; a plain table is a project with only rows.

    `cast` is None if the file defines none; then the ids of characters in its rows are ignored.
    With `variables`, prompts and styles are templates; `template_names` are the names in them.
    """

    rows: Sequence[Row | Problem] = ()
    defaults: Defaults = field(default_factory=Defaults)
    cast: Mapping[str, Member] | None = None
    variables: Mapping[str, object] | None = None
    template_names: frozenset[str] = frozenset()
    title: str | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def templates(self) -> Templates | None:
        """The values of names in prompts and styles; None if these are not templates."""
        return None if self.variables is None else Templates(self.variables, self.cast or {})

    def with_template_names(self) -> "Project":
        """Return this project with the names in its templates."""
        if self.variables is None:
            return self
        rows = (row.values for row in self.rows if isinstance(row, Row))
        names = chain(find_names(self.defaults.style), *map(find_row_names, rows))
        return replace(self, template_names=frozenset(names))

    def without_template_columns(self, values: object) -> object:
        """Return a row's values without the columns that only templates use."""
        if not self.template_names or not isinstance(values, Mapping):
            return values
        return {
            column: value
            for column, value in values.items()
            if not isinstance(column, str)
            or find_field(column) is not None
            or fold(column) not in self.template_names
        }


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


def read_variables(
    written: object, *, name: str
) -> tuple[Mapping[str, object] | None, tuple[Problem, ...]]:
    """Read the variables of templates, and what is wrong with them; None if the file has none."""
    if written is None or isinstance(written, Mapping):
        return written, ()
    action = "Write names, each with its text, such as light: late afternoon."
    return {}, (Problem(name, "variables", "variables is not a mapping", action),)


def number_rows(written: Iterable[object], name: str) -> list[Row]:
    """Give each row its position and source."""
    return [
        Row(find_source(values, name) or f"{name}, row {position}", position, values)
        for position, values in enumerate(written, start=1)
    ]
