"""Sizes: in pixels, written W*H, and the other ways to give one."""

import math
import re
from functools import lru_cache
from typing import NamedTuple

from stills.contract.errors import InvalidRequest

SIDE_MIN_PIXELS = 64
SIDE_MAX_PIXELS = 8192
PIXELS_MAX = 17_000_000
"""A few more than 4096*4096, so that `4K` in any ratio up to 4:1 fits."""

AUTO = "auto"
"""The size that has the aspect ratio of the reference image; without one, the model's default."""

SIZE_PATTERN = (
    r"^([1-9][0-9]{1,3}[*xX×][1-9][0-9]{1,3}"
    r"|([124][Kk] )?[1-9][0-9]{0,2}(\.[0-9]{1,2})?:[1-9][0-9]{0,2}(\.[0-9]{1,2})?"
    r"|[124][Kk]|auto)$"
)
"""A size as JSON Schema describes it, for clients that check values before they send them."""

_PIXELS = re.compile(r"\s*([0-9]{1,9})\s*[*xX×]\s*([0-9]{1,9})\s*")
_NUMBER = r"([0-9]{1,5}(?:\.[0-9]{1,5})?)"
_RATIO = re.compile(rf"\s*{_NUMBER}\s*[:/x]\s*{_NUMBER}\s*")
_TIER = re.compile(rf"\s*(?:([124]K)\b)?\s*(?:{_NUMBER}\s*[:/]\s*{_NUMBER})?\s*", re.IGNORECASE)
_TIER_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}  # sides of a square with as many pixels
_DEFAULT_TIER = "1K"
_STEP = 16
_ACTION = (
    "Write W*H in pixels such as 1024*1024, a ratio such as 16:9, or 1K, 2K, 4K, 2K 16:9 or auto."
)


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}*{self.height}"

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def aspect_ratio(self) -> float:
        """Width divided by height."""
        return self.width / self.height


def normalize_size(written: str) -> str:
    """Return a size as `W*H`, or `auto`.

    Raises:
        InvalidRequest: it is not a size, or is out of range.
    """
    return AUTO if written.strip().lower() == AUTO else str(parse_size(written))


@lru_cache(maxsize=256)  # a list repeats its sizes
def parse_size(written: str) -> Size:
    """Read `W*H` (`x` and `×` are accepted, too), a ratio, or `1K`, `2K`, `4K` with or without one.

    `1K`, `2K` and `4K` have about as many pixels as a square of 1024, 2048 or 4096 per side. A
    ratio alone has those of `1K`, and a tier alone is square.

    Raises:
        InvalidRequest: it is not a size, or is out of range.
    """
    pixels = _PIXELS.fullmatch(written)
    if pixels is not None:
        size = Size(int(pixels[1]), int(pixels[2]))
    elif (tier := _TIER.fullmatch(written)) is not None and (tier[1] or tier[2]):
        ratio = _divide(tier[2], tier[3]) if tier[2] else 1.0
        if ratio is None:
            raise InvalidRequest(f"ratio {written[:40]!r} has a 0", field="size", action=_ACTION)
        size = size_of_ratio(ratio, tier[1] or _DEFAULT_TIER)
    else:
        raise InvalidRequest(f"size {written[:40]!r} is not W*H", field="size", action=_ACTION)
    _check_range(size)
    return size


def size_of_ratio(ratio: float, tier: str = _DEFAULT_TIER) -> Size:
    """Return the size of a tier that has an aspect ratio, in multiples of 16."""
    area = _TIER_SIDES[tier.upper()] ** 2
    width, height = (
        round(math.sqrt(exact) / _STEP) * _STEP for exact in (area * ratio, area / ratio)
    )
    return Size(width, height)


def is_tier(written: str) -> bool:
    """Return whether it is 1K, 2K or 4K: a number of pixels without an aspect ratio."""
    return written.strip().upper() in _TIER_SIDES


def parse_ratio(written: object) -> float:
    """Read an aspect ratio such as `16:9`, `16/9` or `16x9`; returns width divided by height.

    Raises:
        InvalidRequest: it is not a ratio.
    """
    match = _RATIO.fullmatch(written) if isinstance(written, str) else None
    ratio = _divide(match[1], match[2]) if match else None
    if ratio is None:
        raise InvalidRequest(
            "aspect_ratio is not W:H", field="aspect_ratio", action="Write it such as 16:9."
        )
    return ratio


def _divide(width: str, height: str) -> float | None:
    return float(width) / float(height) if float(width) and float(height) else None


def _check_range(size: Size) -> None:
    sides_fit = all(SIDE_MIN_PIXELS <= side <= SIDE_MAX_PIXELS for side in size)
    if not sides_fit or size.pixels > PIXELS_MAX:
        raise InvalidRequest(
            f"size {size} is out of range",
            field="size",
            action=(
                f"Each side must have {SIDE_MIN_PIXELS} to {SIDE_MAX_PIXELS} pixels, and the image "
                f"at most {PIXELS_MAX // 1_000_000} million."
            ),
        )
