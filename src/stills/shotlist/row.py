"""One row in any format, and its values by our field names."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from stills.contract.errors import InvalidRequest
from stills.shotlist.columns import Field, fallback_rank, find_field

NAMES_MAX = 100
WORDS_MAX_CHARACTERS = 5000

_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Row(NamedTuple):
    """A row as it was written; `position` counts from 1."""

    source: str
    position: int
    values: object


class DictWithLine(dict[str, Any]):
    """A dict that knows the line of the file in which it starts; 0 if unknown."""

    line: int = 0


class Fields(NamedTuple):
    """A row's values by our field names, the columns they came from, and the ignored columns."""

    values: dict[str, Any]
    columns: dict[str, str]
    ignored: tuple[str, ...]


def find_source(values: object, name: str) -> str | None:
    """Return where a mapping starts, as `name:line`; None if its line is unknown."""
    return f"{name}:{values.line}" if isinstance(values, DictWithLine) and values.line else None


def name_fields(written: object) -> Fields:
    """Map a row's known columns to our fields; null, blank text and empty lists count as absent.

    Raises:
        InvalidRequest: it is not a mapping, or two columns contradict each other.
    """
    if not isinstance(written, Mapping):
        raise InvalidRequest(
            "the row is not an object", action='Write rows such as {"prompt": "a red kite"}.'
        )
    values: dict[str, Any] = {}
    columns: dict[str, str] = {}
    ignored = []
    for column, field in _fields_of(tuple(written)):
        value = written[column]
        if field is None:
            ignored.append(column)
        elif is_absent(value):
            continue
        elif field.name not in values:
            values[field.name] = value
            columns[field.name] = column
        elif fallback_rank(column):
            ignored.append(column)
        elif value != values[field.name]:
            raise InvalidRequest(
                f"{columns[field.name]} and {column} both set {field.name}, to different values",
                field=column,
                action="Keep one of them.",
            )
    return Fields(values, columns, tuple(ignored))


def is_absent(value: object) -> bool:
    """Return whether a cell is empty."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def split_cell(text: str, *, separators: str) -> list[object]:
    """Split a table cell at any of the separators, or read its JSON list."""
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        return listed if isinstance(listed, list) else [text]
    parts = re.split(f"[{re.escape(separators)}]", text) if separators else [text]
    return [part for part in parts if part.strip()]


def read_names(field: str, given: object) -> tuple[str, ...]:
    """Read a name or a list of names: an array, its JSON text, or text with commas.

    Raises:
        InvalidRequest: it is neither a name nor a list of names.
    """
    if isinstance(given, str):
        given = split_cell(given, separators=",;\n")
    names = given if isinstance(given, list) else [given]
    if len(names) > NAMES_MAX or not all(_is_name(name) for name in names):
        raise InvalidRequest(
            f"{field} is not a list of names", field=field, action="Write it such as [anna, ben]."
        )
    return tuple(dict.fromkeys(str(name).strip() for name in names))


def read_words(field: str, given: object) -> str | None:
    """Read what is only shown to people, such as dialogue; it keeps its lines.

    Raises:
        InvalidRequest: it is neither text nor a number, or is too long.
    """
    if given is None:
        return None
    is_words = isinstance(given, str | int | float) and not isinstance(given, bool)
    words = str(given) if is_words else ""
    if not words.strip() or len(words) > WORDS_MAX_CHARACTERS:
        raise InvalidRequest(
            f"{field} is not text of at most {WORDS_MAX_CHARACTERS} characters",
            field=field,
            action="Write it as text, or leave it out.",
        )
    return words.strip()


def read_number(given: object) -> object:
    """Turn text of digits into a number; the contract checks the rest."""
    if isinstance(given, str) and given.strip().isascii() and given.strip().isdigit():
        return int(given.strip()[:20])
    return given


def read_switch(given: object) -> object:
    """Turn text such as `true` or `no` into a boolean; ImageRequest checks the rest."""
    return _SWITCHES.get(given.strip().lower(), given) if isinstance(given, str) else given


@lru_cache(maxsize=256)  # most rows of a list have the same columns
def _fields_of(columns: tuple[Any, ...]) -> tuple[tuple[Any, Field | None], ...]:
    """Return the columns of a row with their fields; a field's fallbacks come after its names."""
    return tuple(
        (column, find_field(column) if isinstance(column, str) else None)
        for column in sorted(columns, key=_rank)
    )


def _rank(column: object) -> int:
    return fallback_rank(column) if isinstance(column, str) else 0


def _is_name(given: object) -> bool:
    is_name = isinstance(given, str | int) and not isinstance(given, bool)
    return is_name and 0 < len(str(given).strip()) <= 200  # noqa: PLR2004 - as ids
