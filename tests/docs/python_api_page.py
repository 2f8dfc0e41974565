"""Writes the fields of a request as Markdown, for the reference of Python."""

from collections.abc import Iterator

from stills.contract.request import REQUEST_FIELDS

PLACE = "<!-- the fields of a request -->"
_TYPES = {"string": "str", "integer": "int", "boolean": "bool", "array": "list of str"}


def render() -> str:
    """Return a table of the fields."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from ("| field | type | meaning |", "|---|---|---|")
    for name, field in REQUEST_FIELDS.items():
        required = " (required)" if field.is_required else ""
        meaning = field.description.replace("*", "\\*")
        yield f"| `{name}`{required} | {_TYPES[field.type]} | {meaning} |"
