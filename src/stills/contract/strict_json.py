"""Strict JSON: refuses the extensions of Python's parser, and duplicate keys, which it drops."""

import json
from collections.abc import Iterable
from typing import Any

_DIGITS_MAX = 4000  # below Python's own limit, whose message is for programmers


class RepeatedKey(ValueError):
    """An object has a duplicate key; `key` is at most 40 characters of it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"duplicate key {key[:40]!r}")
        self.key = key[:40]


def unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of an object's members.

    Raises:
        RepeatedKey: there is a duplicate key.
    """
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise RepeatedKey(key)
        members[key] = value
    return members


def explain(error: ValueError | RecursionError) -> str:
    """Describe why a text can't be read."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a valid JSON number")


def _parse_int(written: str) -> int:
    if len(written) > _DIGITS_MAX:
        raise ValueError(f"a number has {len(written)} digits")
    return int(written)


STRICT = json.JSONDecoder(
    object_pairs_hook=unique_keys, parse_constant=_refuse_constant, parse_int=_parse_int
)
"""Raises json.JSONDecodeError, RepeatedKey, another ValueError, or RecursionError."""
