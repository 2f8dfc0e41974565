"""Durations as shot lists have them: seconds, clock times and timecodes."""

import re

from stills.contract.errors import InvalidRequest

FRAME_RATE_DEFAULT = 24.0
FRAME_RATE_MAX = 240.0

_DAY_SECONDS = 24 * 60 * 60
_SECONDS = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,9})?)\s*(?:s|sec|secs|seconds?)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5]?[0-9](?:[.,][0-9]{1,9})?)")
_TIMECODE = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])[:;]([0-9]{1,3})")


def read_duration(given: object, frame_rate: float) -> float | None:
    """Read a duration in seconds: `3.5`, `3,5`, `4s`, `0:04`, `0:00:04` or `00:00:04:12`.

    The last part of a timecode is frames, of which a second has `frame_rate`.

    Raises:
        InvalidRequest: it is something else, or not above 0 and below one day.
    """
    if given is None:
        return None
    seconds = _parse(given.strip(), frame_rate) if isinstance(given, str) else _number(given)
    if not 0 < seconds < _DAY_SECONDS:
        raise InvalidRequest(
            "duration is not a valid number of seconds",
            field="duration",
            action="Write it such as 4.5, 4s, 0:04 or 00:00:04:12.",
        )
    return seconds


def check_frame_rate(given: float) -> float:
    """Check the number of frames per second.

    Raises:
        InvalidRequest: it is not above 0, or over the limit.
    """
    if not 0 < given <= FRAME_RATE_MAX:
        raise InvalidRequest(
            f"the frame rate is not above 0 and at most {FRAME_RATE_MAX:g}",
            field="frame_rate",
            action="Use a rate such as 24, 25 or 29.97.",
        )
    return given


def _parse(text: str, frame_rate: float) -> float:
    """Parse a duration; one that is invalid is -1."""
    if seconds := _SECONDS.fullmatch(text):
        return float(seconds[1].replace(",", "."))
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = int(clock[1] or 0), int(clock[2]), clock[3].replace(",", ".")
        return hours * 3600 + minutes * 60 + float(rest)
    if timecode := _TIMECODE.fullmatch(text):
        hours, minutes, whole, frames = map(int, timecode.groups())
        is_frame = frames < round(frame_rate)
        return hours * 3600 + minutes * 60 + whole + frames / frame_rate if is_frame else -1.0
    return _number(text)


def _number(given: object) -> float:
    try:
        is_number = isinstance(given, str | int | float) and not isinstance(given, bool)
        return float(given) if is_number else -1.0  # type: ignore[arg-type] # checked
    except (ValueError, OverflowError):
        return -1.0
