"""YAML documents, whose mappings know their lines.

Built from the parser's events rather than by a PyYAML loader: nesting is bounded (the C loader
crashes on deep nesting), nothing is executed or merged, no key is dropped for coming twice, and
`16:9`, `no` and `2026-01-01` stay the text they were written as.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from stills.contract.errors import InvalidRequest
from stills.shotlist.row import Located

DEPTH_MAX = 50
ALIASED_MAX = 1_000_000
"""How many values all aliases together may stand for: what walks through them takes its time."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}([eE][-+]?[0-9]{1,2})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class _Refused(ValueError):
    """YAML that is fine by its own rules, and not by ours."""

    def __init__(self, message: str, event: yaml.Event) -> None:
        super().__init__(message)
        self.line = _line(event)


def parse_yaml(text: str, name: str) -> object:
    """Parse one document; its mappings are Located.

    Raises:
        InvalidRequest: it is not YAML, or nests too deep, names a key twice, or has tags.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Document(yaml.parse(text, Loader=loader)).parse()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidRequest(
            f"{name}:{line} is not YAML: {str(error.problem)[:200]}", action="Mend it there."
        ) from None
    except _Refused as error:
        raise InvalidRequest(f"{name}:{error.line}: {error}", action="Mend it there.") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InvalidRequest(f"{name} is not YAML: {reason}", action="Mend it.") from None


class _Document:
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
                    raise _Refused("a second document begins", event)
                parsed = self._build(event, depth=0)
        return parsed

    def _build(self, event: yaml.Event, *, depth: int) -> object:
        if depth > DEPTH_MAX:
            raise _Refused(f"nested deeper than {DEPTH_MAX}", event)
        anchor: str | None = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, anchor)
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _Refused("tags (!…) are not read", event)
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
            raise _Refused("an alias (*) comes before its anchor (&)", event)
        self._values += self._sizes[anchor]
        self._aliased += self._sizes[anchor]
        if self._aliased > ALIASED_MAX:
            raise _Refused(f"aliases (*) stand for more than {ALIASED_MAX} values", event)
        return self._anchors[anchor]

    def _mapping(self, start: yaml.Event, depth: int) -> Located:
        made = Located()
        made.line = _line(start)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._build(event, depth=depth + 1)
            if not isinstance(key, str | int | float):
                raise _Refused("a key is neither text nor number", event)
            if key == "<<":
                raise _Refused("merging (<<) is not read; use the project's defaults", event)
            if str(key) in made:
                raise _Refused(f"the key {str(key)[:40]!r} comes twice", event)
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
