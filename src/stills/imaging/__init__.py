"""Checking images and making renditions. libvips is loaded at first use, not at import."""

from stills.imaging.vips_imaging import VipsImaging

__all__ = ["VipsImaging"]
