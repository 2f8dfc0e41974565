"""Sizes in pixels, written W*H."""

import re
from typing import NamedTuple

from stills.contract.errors import InvalidRequest

SIDE_MIN_PIXELS = 64
SIDE_MAX_PIXELS = 4096

_WRITTEN = re.compile(r"\s*([0-9]{1,9})\s*[*xX×]\s*([0-9]{1,9})\s*")


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


def parse_size(written: str) -> Size:
    """Read `W*H` (`x` and `×` are accepted, too), 64 to 4096 pixels per side.

    Raises:
        InvalidRequest: it is not a size, or a side is out of range.
    """
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise InvalidRequest(
            f"size {written[:40]!r} is not W*H",
            field="size",
            action="Write width and height in pixels, such as 1024*1024.",
        )
    size = Size(int(match[1]), int(match[2]))
    if not all(SIDE_MIN_PIXELS <= side <= SIDE_MAX_PIXELS for side in size):
        raise InvalidRequest(
            f"size {size} is out of range",
            field="size",
            action=f"Each side must have {SIDE_MIN_PIXELS} to {SIDE_MAX_PIXELS} pixels.",
        )
    return size
