"""A small JPEG to look at, in place of an image of full size."""

from stills.contract.errors import DamagedImage
from stills.contract.size import Size
from stills.imaging.vips import PIXELS_MAX, first_line, load_vips

_QUALITY = 80
_METADATA_KEPT = "xmp"  # it may carry the label that an image is machine-made


def thumbnail_jpeg(png: bytes, side_max_pixels: int) -> bytes:
    """Scale to fit a square, never up; alpha is laid on white.

    Raises:
        DamagedImage: the bytes can't be decoded as a PNG.
    """
    vips = load_vips()
    try:
        image = vips.Image.pngload_buffer(png, access="sequential", fail_on="error")
        source = Size(image.width, image.height)
        if source.pixels > PIXELS_MAX:
            raise DamagedImage(f"damaged PNG: its header says {source} pixels")
        small = image.thumbnail_image(side_max_pixels, size="down", no_rotate=True)
        if small.hasalpha():
            small = small.flatten(background=[255])
        made: bytes = small.colourspace("srgb").jpegsave_buffer(Q=_QUALITY, keep=_METADATA_KEPT)
    except vips.Error as error:
        raise DamagedImage(f"damaged PNG: can't be decoded: {first_line(error)}") from None
    return made
