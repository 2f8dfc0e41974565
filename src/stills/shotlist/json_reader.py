"""JSON documents whose rows know their lines."""

import json
import re
from typing import Any

from stills.contract.errors import InvalidRequest
from stills.contract.strict_json import STRICT, explain, unique_keys
from stills.shotlist.row import DictWithLine

_SPACE = re.compile(r"[ \t\r\n]*")


def parse_json(text: str, name: str) -> object:
    """Parse a document; it, and the objects in its lists, are `DictWithLine`.

    Raises:
        InvalidRequest: it is not JSON, or has a duplicate key.
    """
    try:
        return _JsonParser(text.removeprefix("\ufeff")).parse()
    except json.JSONDecodeError as error:
        hint = "If it has one object per line, name it .jsonl. " if "Extra" in error.msg else ""
        raise InvalidRequest(
            f"{name}:{error.lineno} is not JSON: {error.msg}",
            action=f"{hint}Fix the JSON in that line.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {explain(error)}", action="Fix the JSON.") from None


def parse_line(line: str) -> object:
    """Parse one line of JSONL.

    Raises:
        InvalidRequest: it is not JSON, or has a duplicate key.
    """
    try:
        return STRICT.decode(line)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"the line is not JSON: {error.msg} at character {error.pos + 1}",
            action="Write one JSON object per line.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(explain(error), action="Fix the JSON.") from None


class _JsonParser:
    """Parses the outer levels itself, to know the lines of rows; the stdlib parses the rest."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = (0, 1)
        self._decode = STRICT.raw_decode

    def parse(self) -> object:
        self._skip_space()
        parsed = {"{": self._object, "[": self._array}.get(self._next(), self._value)()
        self._skip_space()
        if self._at < len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, self._at)
        return parsed

    def _object(self) -> DictWithLine:
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
        return _with_line(unique_keys(pairs), line)

    def _array(self) -> list[object]:
        items: list[object] = []
        self._expect("[")
        while self._next() != "]":
            if items:
                self._expect(",")
            line = self._line()
            item = self._value()
            items.append(_with_line(item, line) if isinstance(item, dict) else item)
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


def _with_line(values: dict[str, Any], line: int) -> DictWithLine:
    parsed = DictWithLine(values)
    parsed.line = line
    return parsed
