"""libvips, loaded at first use and configured for single images."""

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
        ForkedProcess: the parent process used it before the fork.
    """
    begin_use("libvips")
    return _import_vips()


@cache
def _import_vips() -> ModuleType:
    """Import pyvips, without its cache of operations, because images rarely repeat."""
    pyvips = import_module("pyvips")
    pyvips.concurrency_set(_THREADS_PER_IMAGE)
    pyvips.cache_set_max(0)
    # It logs each operation. Without a handler, its errors would be printed to the terminal.
    logging.getLogger(pyvips.__name__).setLevel(logging.WARNING)
    logging.getLogger(pyvips.__name__).addHandler(logging.NullHandler())
    return pyvips


def open_png(png: bytes) -> Any:  # noqa: ANN401 - pyvips is not typed
    """Open a PNG for reading once from top to bottom; undecodable pixels are an error.

    Raises:
        DamagedImage: its header has too many pixels.
        pyvips.Error: its header can't be read. Pixels are decoded when they are used.
    """
    image = load_vips().Image.pngload_buffer(png, access="sequential", fail_on="error")
    size = Size(image.width, image.height)
    if size.pixels > PIXELS_MAX:
        raise DamagedImage(f"damaged PNG: its header says {size} pixels")
    return image


@contextmanager
def decoding() -> Iterator[None]:
    """Translate libvips' decoding errors to DamagedImage."""
    try:
        yield
    except load_vips().Error as error:
        reason = first_line(error) or "libpng refuses its header"
        raise DamagedImage(f"damaged PNG: can't be decoded: {reason}") from None


def first_line(error: Exception) -> str:
    """Return the first line of libvips' error message."""
    detail = getattr(error, "detail", "") or str(error)
    return detail.strip().partition("\n")[0][:200]
