"""JSON documents, whose rows know their lines."""

import json
import re
from collections.abc import Iterable
from typing import Any

from stills.batch.row import Located
from stills.contract.errors import InvalidRequest

_DIGITS_MAX = 4000  # some more, and Python refuses to read them
_SPACE = re.compile(r"[ \t\r\n]*")


def parse_json(text: str, name: str) -> object:
    """Parse a document; the objects in its list, or in the lists it names, are Located.

    Raises:
        InvalidRequest: it is not JSON, or names a key twice.
    """
    try:
        return _Document(text.removeprefix("\ufeff")).parse()
    except json.JSONDecodeError as error:
        hint = "If it has one object a line, name it .jsonl. " if "Extra" in error.msg else ""
        raise InvalidRequest(
            f"{name}:{error.lineno} is not JSON: {error.msg}", action=f"{hint}Mend it there."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {_explain(error)}", action="Mend it.") from None


def parse_line(line: str) -> object:
    """Parse one line of JSONL.

    Raises:
        InvalidRequest: it is not JSON, or names a key twice.
    """
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"the line is not JSON: {error.msg} at character {error.pos + 1}",
            action="Write one JSON object a line.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(_explain(error), action="Mend it.") from None


def _unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members.

    Raises:
        ValueError: a key comes twice, of which JSON would drop one without a word.
    """
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key[:40]!r} comes twice")
        made[key] = value
    return made


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python would read and JSON does not have.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is no number of JSON")


def _explain(error: ValueError | RecursionError) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _whole_number(written: str) -> int:
    if len(written) > _DIGITS_MAX:
        raise ValueError(f"a number has {len(written)} digits")
    return int(written)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_int=_whole_number
)


class _Document:
    """Walks the outer levels itself, to know where rows begin; the rest is the stdlib's."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = (0, 1)
        self._decode = _DECODER.raw_decode

    def parse(self) -> object:
        self._skip_space()
        parsed = {"{": self._object, "[": self._array}.get(self._next(), self._value)()
        self._skip_space()
        if self._at < len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, self._at)
        return parsed

    def _object(self) -> Located:
        pairs: list[tuple[str, object]] = []
        line = self._line()
        self._expect("{")
        while self._next() != "}":
            if pairs:
                self._expect(",")
            if self._next() != '"':
                raise json.JSONDecodeError("Expecting a key in quotes", self._text, self._at)
            key = self._value()
            self._expect(":")
            value = self._array() if self._next() == "[" else self._value()
            pairs.append((str(key), value))
        self._expect("}")
        return _locate(_unique_keys(pairs), line)

    def _array(self) -> list[object]:
        items: list[object] = []
        self._expect("[")
        while self._next() != "]":
            if items:
                self._expect(",")
            line = self._line()
            item = self._value()
            items.append(_locate(item, line) if isinstance(item, dict) else item)
        self._expect("]")
        return items

    def _value(self) -> object:
        value: object
        value, self._at = self._decode(self._text, self._at)
        self._skip_space()
        return value

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise json.JSONDecodeError(f"Expecting {sign!r}", self._text, self._at)
        self._at += 1
        self._skip_space()

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _line(self) -> int:
        counted, line = self._counted
        line += self._text.count("\n", counted, self._at)
        self._counted = (self._at, line)
        return line


def _locate(made: dict[str, Any], line: int) -> Located:
    located = Located(made)
    located.line = line
    return located
