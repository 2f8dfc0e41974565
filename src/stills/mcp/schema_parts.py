"""Parts of JSON schemas."""

from typing import Any


def object_of(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe an object with these properties and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def text(description: str) -> dict[str, Any]:
    """Describe a text."""
    return {"type": "string", "description": description}


def number(description: str, **limits: int) -> dict[str, Any]:
    """Describe a whole number."""
    return {"type": "integer", "description": description, **limits}


def optional_of(kind: str, description: str) -> dict[str, Any]:
    """Describe a value that may be null."""
    # A list of types is valid too, but several clients refuse it.
    return {"anyOf": [{"type": kind}, {"type": "null"}], "description": description}
