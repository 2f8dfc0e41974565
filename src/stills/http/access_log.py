"""One line a request, for people or as JSON."""

import json
import logging
import sys
from dataclasses import fields
from datetime import UTC, datetime

from stills.http.middleware import AccessLogEntry

_NAMES = tuple(field.name for field in fields(AccessLogEntry) if field.name != "streams")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = getattr(record, "entry", None)
        if not isinstance(entry, AccessLogEntry):
            return f"{when} {record.levelname.lower()} {super().format(record)}"
        facts = (f"{name}={value}" for name, value in _facts(entry).items())
        return f"{when} {' '.join(facts)}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = getattr(record, "entry", None)
        line: dict[str, object] = {"time": when, "level": record.levelname.lower()}
        if isinstance(entry, AccessLogEntry):
            line |= _facts(entry)
        else:
            line["message"] = super().format(record)
        return json.dumps(line, ensure_ascii=True)


def set_up_logs(log_format: str) -> None:
    """Log to standard error as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("stills").setLevel(logging.INFO)


def _facts(entry: AccessLogEntry) -> dict[str, object]:
    facts = {name: getattr(entry, name) for name in _NAMES}
    # A path is a stranger's text: no line break or terminal code of it may reach the log.
    facts["path"] = entry.path[:200].encode("unicode_escape").decode()
    return {name: value for name, value in facts.items() if value is not None}
