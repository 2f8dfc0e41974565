"""Columns that are neither fields nor known to be irrelevant: one problem for the whole list."""

import shlex
from collections.abc import Iterable, Mapping

from stills.contract.errors import InvalidRequest
from stills.shotlist.columns import find_field, fold, is_ignored, suggest
from stills.shotlist.options import write_column_names
from stills.shotlist.row import Row
from stills.shotlist.shots import Problem

NAMES_MAX = 100

_COLLECTED_MAX = 1000  # each row of a hostile file may have other ones
_SUGGESTIONS_MAX = 5
_OPTION_MAX_CHARACTERS = 1000


class UnknownColumns:
    """The unknown columns of the rows of a list. `used` are those that templates use, folded."""

    def __init__(self, used: frozenset[str] = frozenset()) -> None:
        self._used = used
        self._columns: dict[str, None] = {}
        self._source = ""

    def leave_out(self, row: Row) -> Row:
        """Return the row without its unknown columns, and remember them."""
        if not isinstance(row.values, Mapping):
            return row
        unknown = [column for column in row.values if not self._is_known(column)]
        if not unknown:
            return row
        self._source = self._source or row.source
        for column in unknown:
            if len(self._columns) < _COLLECTED_MAX:
                self._columns[str(column)] = None
        kept = {name: value for name, value in row.values.items() if name not in unknown}
        return row._replace(values=kept)

    def problems(self) -> list[Problem]:
        """Return their problem, if there are any."""
        try:
            check_known(self._columns)
        except InvalidRequest as error:
            return [Problem.of(self._source, error)]
        return []

    def _is_known(self, column: object) -> bool:
        return is_known(column) or (isinstance(column, str) and fold(column) in self._used)


def check_known(columns: Iterable[str]) -> None:
    """Refuse columns that are neither fields nor known to be irrelevant.

    Raises:
        InvalidRequest: some columns are unknown.
    """
    unknown = [column for column in columns if not is_known(column)]
    if not unknown:
        return
    near = dict.fromkeys(suggest(column) for column in unknown[:_SUGGESTIONS_MAX])
    several = "s" if len(unknown) > 1 else ""
    names = ", ".join(repr(column[:40]) for column in unknown[:NAMES_MAX])
    more = f" and {len(unknown) - NAMES_MAX} more" if len(unknown) > NAMES_MAX else ""
    option = shlex.quote(write_column_names(unknown))
    leave_out = (
        f"--ignore-columns {option} leaves {'them' if several else 'it'} out"
        if len(option) <= _OPTION_MAX_CHARACTERS
        else "remove them"
    )
    raise InvalidRequest(
        f"unknown column{several} {names}{more}",
        field=unknown[0][:40],
        action=f"{''.join(near)}Rename {'them' if several else 'it'}, or {leave_out}; "
        "docs/shot-lists.md lists the known ones.",
    )


def is_known(column: object) -> bool:
    """Return whether a column is one of our fields, or known to be irrelevant."""
    return isinstance(column, str) and (is_ignored(column) or find_field(column) is not None)
