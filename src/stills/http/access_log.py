"""The access log: one line per request, as text or JSON."""

import json
import logging
import sys
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from starlette.requests import Request


@dataclass(slots=True)
class AccessLogEntry:
    """One request in the log. The middleware creates it, routes fill in what they know."""

    id: str
    method: str
    path: str
    key: str | None = None
    model: str | None = None
    cached: bool | None = None
    cost_usd: float | None = None
    images: int = 0
    sent: bool | None = None
    error: str | None = None
    status: int = 0
    ms: float = 0.0
    streams: bool = False


_NAMES = tuple(field.name for field in fields(AccessLogEntry) if field.name != "streams")


def get_log_entry(request: Request) -> AccessLogEntry:
    """Return the log entry of a request."""
    entry: AccessLogEntry = request.state.entry
    return entry


def set_up_logs(log_format: str) -> None:
    """Log to standard error as `text` or `json`: one line for each request, and warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("stills.http").setLevel(logging.INFO)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = getattr(record, "entry", None)
        if not isinstance(entry, AccessLogEntry):
            return f"{_time(record)} {record.levelname.lower()} {super().format(record)}"
        # A space in a path must not begin another value.
        values = (
            f"{name}={str(value).replace(' ', '%20')}" for name, value in _values(entry).items()
        )
        return f"{_time(record)} {' '.join(values)}"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = getattr(record, "entry", None)
        line: dict[str, object] = {"time": _time(record), "level": record.levelname.lower()}
        if isinstance(entry, AccessLogEntry):
            line |= _values(entry)
        else:
            line["message"] = super().format(record)
        return json.dumps(line, ensure_ascii=True)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _values(entry: AccessLogEntry) -> dict[str, object]:
    values = {name: getattr(entry, name) for name in _NAMES}
    # Strangers choose the path: a line break or terminal code in it must not reach the log.
    values["path"] = entry.path[:200].encode("unicode_escape").decode()
    return {name: value for name, value in values.items() if value is not None}
