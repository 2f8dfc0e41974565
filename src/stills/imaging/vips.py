"""libvips, loaded at first use and held to what one image at a time needs."""

from functools import cache
from importlib import import_module
from types import ModuleType

PIXELS_MAX = 50_000_000
_THREADS_PER_IMAGE = 2  # measured: four make a rendition of 1920*1080 no faster


@cache
def load_vips() -> ModuleType:
    """Import pyvips, with no cache of past operations: no image comes by twice."""
    pyvips = import_module("pyvips")
    pyvips.concurrency_set(_THREADS_PER_IMAGE)
    pyvips.cache_set_max(0)
    return pyvips


def first_line(error: Exception) -> str:
    """Say in one line what libvips, which writes several, complains of."""
    detail = getattr(error, "detail", "") or str(error)
    return detail.strip().partition("\n")[0][:200]
