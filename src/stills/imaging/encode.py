"""Encoding a PNG as a JPEG or WebP for those who ask for one."""

from stills.contract.image_kinds import ImageKind
from stills.imaging.vips import decoding, open_png

_METADATA_KEPT = "xmp|icc"  # XMP may carry the label that an image is machine-made


def encode_png(png: bytes, kind: ImageKind, quality: int) -> bytes:
    """Encode a PNG as JPEG or WebP, in a quality from 0 to 100; in a JPEG, alpha becomes white.

    A PNG is returned as it is.

    Raises:
        DamagedImage: the bytes can't be decoded as a PNG.
        ValueError: Stills does not write this kind.
    """
    if kind is ImageKind.PNG:
        return png
    with decoding():
        image = open_png(png)
        if kind is ImageKind.WEBP:
            webp: bytes = image.webpsave_buffer(Q=quality, keep=_METADATA_KEPT)
            return webp
        if kind is not ImageKind.JPEG:
            raise ValueError(f"no {kind} is written")
        if image.hasalpha():
            image = image.flatten(background=[255])
        # 0 is a quality of WebP and of OpenAI's API, but not of JPEG.
        jpeg: bytes = image.jpegsave_buffer(
            Q=max(1, quality), subsample_mode="auto", keep=_METADATA_KEPT
        )
        return jpeg
