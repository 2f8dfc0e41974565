"""Templates: names in braces, such as `{scene.light}`, in the prompts and styles of a project.

Values are text: they are inserted as they are, and nothing in them is replaced or evaluated.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast import Member
from stills.shotlist.columns import find_field, fold, suggest
from stills.shotlist.row import is_absent

FILLED_MAX_CHARACTERS = 100_000
TEMPLATE_FIELDS = ("prompt", "style")

_CAST = "cast."
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}?")


@dataclass(frozen=True, slots=True)
class Templates:
    """The values that names stand for, in this order: the row's columns, `variables`, `cast`."""

    variables: Mapping[str, object]
    cast: Mapping[str, Member]

    def fill(self, field: str, text: object, row: Mapping[str, object]) -> object:
        """Replace the names in a text; `{{` and `}}` are braces. What is not text stays as it is.

        Raises:
            InvalidRequest: a name is unknown or has no text, or the result is too long.
        """
        if not isinstance(text, str):
            return text
        parts: list[str] = []
        length = end = 0
        for found in _PART.finditer(text):
            value = found[0][0] if found[1] is None else self._find(field, found, row)
            parts += [text[end : found.start()], value]
            end = found.end()
            length += len(parts[-2]) + len(value)
            if length > FILLED_MAX_CHARACTERS:
                raise InvalidRequest(
                    f"the filled template is longer than {FILLED_MAX_CHARACTERS} characters",
                    field=field,
                    action="Use shorter variables.",
                )
        return "".join([*parts, text[end:]])

    def _find(self, field: str, found: re.Match[str], row: Mapping[str, object]) -> str:
        name = found[1].strip()
        value = _look_up(row, name)
        if is_absent(value):
            value = self._find_variable(name)
        if value is None and fold(name).startswith(fold(_CAST[:-1])):
            member = _look_up(self.cast, name.partition(".")[2])
            value = member.prompt if isinstance(member, Member) else None
        if not found[0].endswith("}") or not isinstance(value, str | int | float):
            raise InvalidRequest(
                f"{found[0][:40]!r} has no value",
                field=field,
                action=f"{suggest(name, self._names(row))}Use a variable, a column that the row "
                "fills in, or cast. and a member who has a prompt; write {{ for a brace.",
            )
        return str(value)

    def _find_variable(self, name: str) -> object:
        value: object = self.variables
        for part in name.split("."):
            value = _look_up(value, part.strip()) if isinstance(value, Mapping) else None
        return value

    def _names(self, row: Mapping[str, object]) -> list[str]:
        inner = [
            f"{outer}.{name}"
            for outer, values in self.variables.items()
            if isinstance(values, Mapping)
            for name in values
        ]
        members = [f"{_CAST}{name}" for name in self.cast]
        return [*self.variables, *inner, *members, *map(str, row)]


def find_names(text: object) -> Iterator[str]:
    """Yield the names in a template, folded as names of columns are."""
    if isinstance(text, str):
        yield from (fold(found[1]) for found in _PART.finditer(text) if found[1] is not None)


def find_row_names(values: object) -> Iterator[str]:
    """Yield the names in the templates of a row."""
    if not isinstance(values, Mapping):
        return
    for column, value in values.items():
        known = find_field(column) if isinstance(column, str) else None
        if known is not None and known.name in TEMPLATE_FIELDS:
            yield from find_names(value)


def _look_up(values: Mapping[str, object], name: str) -> object:
    """Return the value of a name, or of the only one that differs in case or spaces."""
    if name in values:
        return values[name]
    near = [value for known, value in values.items() if fold(str(known)) == fold(name)]
    return near[0] if name and len(near) == 1 else None
