"""Choose the size to request from a model, and the size of an image whose request says `auto`."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

from stills.contract.models import Model
from stills.contract.size import Size, size_of_ratio

_STEP = 16
"""The service moves other sizes to multiples of 16 (API reference, May 2026)."""
_STEPS_MAX = 64


@lru_cache(maxsize=64)  # a batch needs a few sizes thousands of times
def native_size(size: Size, model: Model) -> Size:
    """Choose the model's size that needs the least cropping.

    For a model with fixed sizes, that is the nearest aspect ratio (by log ratio; the larger area if
    equal). For others it is the smallest size in multiples of 16 that contains `size`, scaled into
    the model's range of pixels if necessary; beyond the model's aspect ratios, the nearest of them.
    """
    if not model.native_sizes:
        return _free_size(size, model)
    wanted = math.log(size.aspect_ratio)
    return min(
        model.native_sizes,
        key=lambda native: (
            round(abs(math.log(native.aspect_ratio) - wanted), 9),
            -native.pixels,
        ),
    )


def automatic_size(model: Model, references: Sequence[Size | None]) -> Size:
    """Return the size of an image whose request says `auto` and has references of these sizes.

    It has the aspect ratio of the first one, square if that is unknown, and about 1024*1024 pixels,
    as the service's own default for edits. Without references, it is the model's default.
    """
    if not references:
        return model.default_size
    first = references[0]
    return size_of_ratio(1.0 if first is None else first.aspect_ratio)


def _free_size(size: Size, model: Model) -> Size:
    width = max(size.width, size.height / model.sides_ratio_max)
    height = max(size.height, size.width / model.sides_ratio_max)
    pixels = width * height
    scale = math.sqrt(min(max(pixels, model.pixels_min), model.pixels_max) / pixels)
    width, height = round(width * scale, 6), round(height * scale, 6)

    def usable(width: float, height: float) -> int:
        """Return how many pixels are left after cropping to the requested aspect ratio."""
        ratio = size.aspect_ratio
        return round(min(width, height * ratio) * min(height, width / ratio))

    enough = usable(width, height)
    for steps in range(_STEPS_MAX):
        legal = [one for one in _near(width, height, steps) if _is_legal(one, model)]
        if legal:
            return min(legal, key=lambda one: (-min(usable(*one), enough), one.pixels))
    return Size(round(width), round(height))  # the model's rules allow no multiple of 16


def _near(width: float, height: float, steps: int) -> Iterator[Size]:
    """Yield the multiples of 16 around a size, and a number of steps beyond them."""
    for wide in _multiples(width, steps):
        for high in _multiples(height, steps):
            yield Size(wide, high)


def _multiples(side: float, steps: int) -> range:
    least = math.floor(side / _STEP) - steps
    most = math.ceil(side / _STEP) + steps
    return range(max(least, 1) * _STEP, most * _STEP + 1, _STEP)


def _is_legal(size: Size, model: Model) -> bool:
    ratio = max(size.aspect_ratio, 1 / size.aspect_ratio)
    is_in_range = model.pixels_min <= size.pixels <= model.pixels_max
    return is_in_range and ratio <= model.sides_ratio_max
