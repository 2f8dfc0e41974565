"""libvips, loaded at first use and held to what one image at a time needs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from stills.contract.errors import DamagedImage
from stills.contract.forked import begin_use
from stills.contract.size import Size

PIXELS_MAX = 50_000_000
_THREADS_PER_IMAGE = 2  # measured: four make a rendition of 1920*1080 no faster


def load_vips() -> ModuleType:
    """Import pyvips.

    Raises:
        ForkedProcess: the parent of this process used it before the fork.
    """
    begin_use("libvips")
    return _import_vips()


@cache
def _import_vips() -> ModuleType:
    """Import pyvips, with no cache of past operations: no image comes by twice."""
    pyvips = import_module("pyvips")
    pyvips.concurrency_set(_THREADS_PER_IMAGE)
    pyvips.cache_set_max(0)
    # It logs what its errors say as well; without a handler that would land on the terminal.
    logging.getLogger(pyvips.__name__).addHandler(logging.NullHandler())
    return pyvips


def open_png(png: bytes) -> Any:  # noqa: ANN401 - pyvips is not typed
    """Open a PNG, to be read once from top to bottom; what can't be decoded is not made up.

    Raises:
        DamagedImage: its header says too many pixels.
        pyvips.Error: its header can't be read; its pixels are decoded as they are used.
    """
    image = load_vips().Image.pngload_buffer(png, access="sequential", fail_on="error")
    size = Size(image.width, image.height)
    if size.pixels > PIXELS_MAX:
        raise DamagedImage(f"damaged PNG: its header says {size} pixels")
    return image


@contextmanager
def decoding() -> Iterator[None]:
    """Turn libvips' errors in decoding a PNG into DamagedImage."""
    try:
        yield
    except load_vips().Error as error:
        reason = first_line(error) or "libpng refuses its header"
        raise DamagedImage(f"damaged PNG: can't be decoded: {reason}") from None


def first_line(error: Exception) -> str:
    """Say in one line what libvips, which writes several, complains of."""
    detail = getattr(error, "detail", "") or str(error)
    return detail.strip().partition("\n")[0][:200]
