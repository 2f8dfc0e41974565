"""The mask of a film: black bars that leave the picture an aspect ratio, such as 2.39."""

import re

from stills.contract.errors import InvalidRequest
from stills.contract.size import Size

RATIO_MIN, RATIO_MAX = 0.2, 5.0

_RATIO = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4})?)(?:[:/]([0-9]{1,4}(?:\.[0-9]{1,4})?))?")


def parse_ratio(text: str) -> float:
    """Parse an aspect ratio such as `2.39`, `2.39:1` or `16:9`.

    Raises:
        InvalidRequest: it is something else, or out of range.
    """
    found = _RATIO.fullmatch(text.strip())
    width, height = (float(found[1]), float(found[2] or 1)) if found else (0.0, 1.0)
    if not height or not RATIO_MIN <= width / height <= RATIO_MAX:
        raise InvalidRequest(
            f"--mask {text[:40]!r} is not an aspect ratio from {RATIO_MIN:g} to {RATIO_MAX:g}",
            field="mask",
            action="Use one such as 2.39 or 16:9.",
        )
    return width / height


def mask_filter(ratio: float, size: Size) -> str:
    """Return the filters that draw the bars; each begins with a comma."""
    wide = size.width / size.height < ratio
    long, visible = (size.height, size.width / ratio) if wide else (size.width, size.height * ratio)
    bar = _even((long - visible) / 2)
    if not bar:
        return ""
    sides = (
        (f"x=0:y=0:w=iw:h={bar}", f"x=0:y=ih-{bar}:w=iw:h={bar}")
        if wide
        else (f"x=0:y=0:w={bar}:h=ih", f"x=iw-{bar}:y=0:w={bar}:h=ih")
    )
    return "".join(f",drawbox={side}:color=black:t=fill" for side in sides)


def _even(pixels: float) -> int:
    """Round to whole pixels of the chroma planes."""
    return 2 * round(pixels / 2)
