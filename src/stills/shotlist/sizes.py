"""The ways to give the size of a row's image."""

import math
import re

from stills.contract.errors import InvalidRequest
from stills.contract.size import parse_size
from stills.shotlist.shots import Defaults

_RATIO = re.compile(r"\s*([0-9]{1,5}(?:\.[0-9]{1,5})?)\s*[:/x]\s*([0-9]{1,5}(?:\.[0-9]{1,5})?)\s*")
_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}  # sides of a square with as many pixels
_STEP = 16
_RATIO_TOLERANCE = 0.02


def choose_size(
    *, size: object, width: object, height: object, aspect_ratio: object, defaults: Defaults
) -> str:
    """Determine a row's size, as W*H.

    Raises:
        InvalidRequest: it has no valid size, or two that differ.
    """
    sides = _from_sides(width, height)
    if sides and size is not None and _differ(size, sides):
        raise InvalidRequest(
            f"size {_shown(size)} differs from width and height, {sides}",
            field="size",
            action="Keep only one of them.",
        )
    wanted = sides or size or defaults.size
    if wanted is None:
        raise InvalidRequest(
            "size is missing",
            field="size",
            action="Add a size to the row or the project, or use --size.",
        )
    if not isinstance(wanted, str):
        raise InvalidRequest(
            "size is not text", field="size", action="Write it as text, such as 1024*1024."
        )
    if is_area(wanted):
        return _from_ratio(wanted.strip().upper(), aspect_ratio or defaults.aspect_ratio)
    if aspect_ratio is not None:
        _check_ratio(wanted, aspect_ratio)
    return wanted


def check_size(size: str) -> None:
    """Check a size that applies to all rows.

    Raises:
        InvalidRequest: it is neither W*H nor 1K, 2K or 4K.
    """
    if not is_area(size):
        parse_size(size)


def is_area(size: str) -> bool:
    """Return whether it is 1K, 2K or 4K: a number of pixels without an aspect ratio."""
    return size.strip().upper() in _SIDES


def _from_sides(width: object, height: object) -> str | None:
    if width is None and height is None:
        return None
    if width is None or height is None:
        missing = "width" if width is None else "height"
        raise InvalidRequest(
            f"{missing} is missing", field=missing, action="Set both, or only size."
        )
    return f"{_side('width', width)}*{_side('height', height)}"


def _side(field: str, given: object) -> int:
    number = None if isinstance(given, bool) else given
    if isinstance(number, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", number):
        return int(number)
    if isinstance(number, int | float) and math.isfinite(number) and number == int(number):
        return int(number) if abs(number) < 10**9 else 10**9 - 1
    raise InvalidRequest(
        f"{field} is not a whole number", field=field, action="Write it in pixels, such as 1024."
    )


def _differ(size: object, sides: str) -> bool:
    return not isinstance(size, str) or parse_size(size) != parse_size(sides)


def _from_ratio(size: str, aspect_ratio: object) -> str:
    if aspect_ratio is None:
        raise InvalidRequest(
            f"size {size} needs an aspect_ratio",
            field="aspect_ratio",
            action="Add one, such as 16:9, or write the size as W*H.",
        )
    ratio = _ratio(aspect_ratio)
    area = _SIDES[size] ** 2
    width, height = (
        round(math.sqrt(exact) / _STEP) * _STEP for exact in (area * ratio, area / ratio)
    )
    return f"{width}*{height}"


def _check_ratio(size: str, aspect_ratio: object) -> None:
    if abs(parse_size(size).aspect_ratio / _ratio(aspect_ratio) - 1) > _RATIO_TOLERANCE:
        raise InvalidRequest(
            f"size {size[:40]} does not match aspect_ratio {_shown(aspect_ratio)}",
            field="aspect_ratio",
            action="Leave one of them out, or write size as 1K, 2K or 4K.",
        )


def _ratio(given: object) -> float:
    match = _RATIO.fullmatch(given) if isinstance(given, str) else None
    if match is None or not float(match[1]) or not float(match[2]):
        raise InvalidRequest(
            "aspect_ratio is not W:H", field="aspect_ratio", action="Write it such as 16:9."
        )
    return float(match[1]) / float(match[2])


def _shown(given: object) -> str:
    return given[:40] if isinstance(given, str) else type(given).__name__
