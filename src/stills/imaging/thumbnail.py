"""Small JPEG previews."""

from stills.imaging.vips import decoding, open_png

_QUALITY = 80
_METADATA_KEPT = "xmp"  # it may carry the label that an image is machine-made


def thumbnail_jpeg(png: bytes, side_max_pixels: int) -> bytes:
    """Scale down to fit a square, never up; alpha becomes white.

    Raises:
        DamagedImage: the bytes can't be decoded as a PNG.
    """
    with decoding():
        small = open_png(png).thumbnail_image(side_max_pixels, size="down", no_rotate=True)
        if small.hasalpha():
            small = small.flatten(background=[255])
        made: bytes = small.colourspace("srgb").jpegsave_buffer(Q=_QUALITY, keep=_METADATA_KEPT)
    return made
