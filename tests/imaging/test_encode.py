"""JPEG and WebP for those who ask for one."""

import pytest
import pyvips

from stills.contract.errors import DamagedImage
from stills.contract.image_kinds import ImageKind, find_kind
from stills.imaging.encode import encode_png


def png(bands: int = 3) -> bytes:
    """Make noise, the worst case for compression."""
    noise = pyvips.Image.gaussnoise(320, 200, sigma=60, mean=128).cast("uchar")
    return noise.bandjoin([noise] * (bands - 1)).copy(interpretation="srgb").pngsave_buffer()


@pytest.mark.parametrize("kind", [ImageKind.JPEG, ImageKind.WEBP])
def test_an_image_becomes_another_kind_of_the_same_size(kind: ImageKind):
    """The bytes are of that kind, and a lower quality is smaller."""
    fine, coarse = (encode_png(png(), kind, quality) for quality in (100, 0))
    for made in (fine, coarse):
        assert find_kind(made[:32]) is kind
        image = pyvips.Image.new_from_buffer(made, "")
        assert (image.width, image.height) == (320, 200)
    assert len(coarse) < len(fine)


def test_a_png_keeps_its_bytes():
    """It is what is stored, to the byte."""
    original = png()
    assert encode_png(original, ImageKind.PNG, 50) is original


def test_alpha_becomes_white_in_a_jpeg_and_stays_in_webp():
    """A JPEG has no alpha."""
    clear = pyvips.Image.black(80, 80, bands=4).copy(interpretation="srgb").pngsave_buffer()
    jpeg = pyvips.Image.jpegload_buffer(encode_png(clear, ImageKind.JPEG, 90))
    assert jpeg(1, 1) == [255, 255, 255]
    assert pyvips.Image.webpload_buffer(encode_png(clear, ImageKind.WEBP, 90)).hasalpha()


@pytest.mark.parametrize("kind", [ImageKind.JPEG, ImageKind.WEBP])
def test_other_bytes_are_damaged(kind: ImageKind):
    """Undecodable bytes raise DamagedImage."""
    with pytest.raises(DamagedImage):
        encode_png(b"<html>", kind, 90)


def test_a_kind_that_is_only_read_is_a_programming_error():
    """References may be GIF; nothing is written as GIF."""
    with pytest.raises(ValueError, match="gif"):
        encode_png(png(), ImageKind.GIF, 90)
