"""Small JPEG previews."""

import pytest
import pyvips

from stills.contract.errors import DamagedImage
from stills.imaging.thumbnail import thumbnail_jpeg


def png(width: int, height: int, bands: int = 3) -> bytes:
    """Make noise, the worst case for compression."""
    noise = pyvips.Image.gaussnoise(width, height, sigma=60, mean=128).cast("uchar")
    return noise.bandjoin([noise] * (bands - 1)).copy(interpretation="srgb").pngsave_buffer()


@pytest.mark.parametrize(
    ("size", "small"),
    [((1664, 928), (512, 286)), ((928, 1664), (286, 512)), ((300, 200), (300, 200))],
)
def test_it_fits_the_square_and_is_never_scaled_up(size, small):
    """The longer side has the requested size, and the file is small even for noise."""
    made = thumbnail_jpeg(png(*size), 512)
    image = pyvips.Image.jpegload_buffer(made)
    assert (image.width, image.height) == small
    assert len(made) < 200_000


def test_alpha_becomes_white():
    """A JPEG has no alpha."""
    clear = pyvips.Image.black(80, 80, bands=4).copy(interpretation="srgb").pngsave_buffer()
    image = pyvips.Image.jpegload_buffer(thumbnail_jpeg(clear, 64))
    assert image(1, 1) == [255, 255, 255]


def test_other_bytes_are_damaged():
    """Undecodable bytes raise DamagedImage."""
    with pytest.raises(DamagedImage):
        thumbnail_jpeg(b"<html>", 64)
