"""Looking at images and making renditions. libvips is loaded at the first pixel, not at import."""

from stills.imaging.fit import Window, cover_crop, fit_png
from stills.imaging.probe import inspect_png, media_type
from stills.imaging.vips_imaging import VipsImaging

__all__ = ["VipsImaging", "Window", "cover_crop", "fit_png", "inspect_png", "media_type"]
