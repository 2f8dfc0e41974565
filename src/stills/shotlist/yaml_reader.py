"""YAML documents whose mappings know their lines.

Built from the parser's events instead of by a PyYAML loader: nesting is limited (the C loader
crashes on deep nesting), nothing is executed or merged, duplicate keys are refused, and `16:9`,
`no` and `2026-01-01` stay text.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from stills.contract.errors import InvalidRequest
from stills.shotlist.row import DictWithLine

DEPTH_MAX = 50
ALIASED_MAX = 1_000_000
"""The number of values that all aliases together may expand to, because each one is visited."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}([eE][-+]?[0-9]{1,2})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class _Unsupported(ValueError):
    """Valid YAML that is not supported here."""

    def __init__(self, message: str, event: yaml.Event) -> None:
        super().__init__(message)
        self.line = _line(event)


def parse_yaml(text: str, name: str) -> object:
    """Parse one document; its mappings are `DictWithLine`.

    Raises:
        InvalidRequest: it is not YAML, is nested too deeply, or has duplicate keys, tags or merges.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _YamlBuilder(yaml.parse(text, Loader=loader)).parse()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidRequest(
            f"{name}:{line} is not YAML: {str(error.problem)[:200]}",
            action="Fix the YAML in that line.",
        ) from None
    except _Unsupported as error:
        raise InvalidRequest(f"{name}:{error.line}: {error}", action="Change that line.") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InvalidRequest(f"{name} is not YAML: {reason}", action="Fix the YAML.") from None


class _YamlBuilder:
    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, object] = {}
        self._sizes: dict[str, int] = {}
        self._values = 0
        self._aliased = 0

    def parse(self) -> object:
        parsed: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                documents += 1
                if documents > 1:
                    raise _Unsupported("only one document per file is supported", event)
                parsed = self._build(event, depth=0)
        return parsed

    def _build(self, event: yaml.Event, *, depth: int) -> object:
        if depth > DEPTH_MAX:
            raise _Unsupported(f"nested deeper than {DEPTH_MAX}", event)
        anchor: str | None = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, anchor)
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _Unsupported("tags (!…) are not supported", event)
        before = self._values
        self._values += 1
        built: object
        if isinstance(event, yaml.MappingStartEvent):
            built = self._mapping(event, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            built = self._sequence(depth)
        else:
            built = _scalar(event)
        if anchor:
            self._anchors[anchor] = built
            self._sizes[anchor] = self._values - before
        return built

    def _alias(self, event: yaml.Event, anchor: str | None) -> object:
        if anchor is None or anchor not in self._anchors:
            raise _Unsupported("an alias (*) without an anchor (&) before it", event)
        self._values += self._sizes[anchor]
        self._aliased += self._sizes[anchor]
        if self._aliased > ALIASED_MAX:
            raise _Unsupported(f"aliases (*) expand to more than {ALIASED_MAX} values", event)
        return self._anchors[anchor]

    def _mapping(self, start: yaml.Event, depth: int) -> DictWithLine:
        made = DictWithLine()
        made.line = _line(start)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._build(event, depth=depth + 1)
            if not isinstance(key, str | int | float):
                raise _Unsupported("a key is neither text nor a number", event)
            if key == "<<":
                raise _Unsupported(
                    "merge keys (<<) are not supported; use the project's defaults", event
                )
            if str(key) in made:
                raise _Unsupported(f"duplicate key {str(key)[:40]!r}", event)
            made[str(key)] = self._build(next(self._events), depth=depth + 1)
        return made

    def _sequence(self, depth: int) -> list[object]:
        made: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            made.append(self._build(event, depth=depth + 1))
        return made


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar(event: Any) -> object:  # noqa: ANN401 - a ScalarEvent, whose stub names no fields
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
