"""JSON as its standard has it: what Python's would take besides, or drop in silence, is refused."""

import json
from collections.abc import Iterable
from typing import Any

_DIGITS_MAX = 4000  # some more, and Python refuses to read them, in words of its own


class RepeatedKey(ValueError):
    """An object names a key twice, of which Python would drop one."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key[:40]!r} comes twice")
        self.key = key[:40]


def unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members.

    Raises:
        RepeatedKey: a key comes twice.
    """
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise RepeatedKey(key)
        made[key] = value
    return made


def explain(error: ValueError | RecursionError) -> str:
    """Say why something is not read."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _whole_number(written: str) -> int:
    if len(written) > _DIGITS_MAX:
        raise ValueError(f"a number has {len(written)} digits")
    return int(written)


STRICT = json.JSONDecoder(
    object_pairs_hook=unique_keys, parse_constant=_refuse_constant, parse_int=_whole_number
)
"""Raises json.JSONDecodeError, RepeatedKey, another ValueError, or RecursionError."""
