"""The ways to give the size of a row's image."""

import math
import re

from stills.contract.errors import InvalidRequest
from stills.contract.size import (
    AUTO,
    is_tier,
    normalize_size,
    parse_ratio,
    parse_size,
    size_of_ratio,
)
from stills.shotlist.shots import Defaults

_RATIO_TOLERANCE = 0.02


def choose_size(
    *, size: object, width: object, height: object, aspect_ratio: object, defaults: Defaults
) -> str:
    """Determine a row's size.

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
    ratio = aspect_ratio or defaults.aspect_ratio
    if wanted is None and ratio is None:
        raise InvalidRequest(
            "size is missing",
            field="size",
            action="Add a size to the row or the project, or use --size.",
        )
    if wanted is None or (ratio is not None and _is_automatic(wanted)):
        return str(size_of_ratio(parse_ratio(ratio)))
    if not isinstance(wanted, str):
        raise InvalidRequest(
            "size is not text", field="size", action="Write it as text, such as 1024*1024."
        )
    if is_tier(wanted) and ratio is not None:
        return str(size_of_ratio(parse_ratio(ratio), wanted.strip()))
    if aspect_ratio is not None:
        _check_ratio(wanted, aspect_ratio)
    return wanted


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
    return not isinstance(size, str) or normalize_size(size) != normalize_size(sides)


def _is_automatic(size: object) -> bool:
    return isinstance(size, str) and size.strip().lower() == AUTO


def _check_ratio(size: str, aspect_ratio: object) -> None:
    if abs(parse_size(size).aspect_ratio / parse_ratio(aspect_ratio) - 1) > _RATIO_TOLERANCE:
        raise InvalidRequest(
            f"size {size[:40]} does not match aspect_ratio {_shown(aspect_ratio)}",
            field="aspect_ratio",
            action="Leave one of them out, or write size as 1K, 2K or 4K.",
        )


def _shown(given: object) -> str:
    return given[:40] if isinstance(given, str) else type(given).__name__
