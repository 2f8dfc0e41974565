"""Checking images and making renditions. libvips is loaded at first use, not at import."""

from stills.imaging.fit import Window, cover_crop, fit_png
from stills.imaging.probe import check_pixels, inspect_png
from stills.imaging.reference import measure_reference, prepare_reference
from stills.imaging.vips_imaging import VipsImaging

__all__ = [
    "VipsImaging",
    "Window",
    "check_pixels",
    "cover_crop",
    "fit_png",
    "inspect_png",
    "measure_reference",
    "prepare_reference",
]
