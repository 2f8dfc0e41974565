"""Thumbnails of stored images."""

import asyncio

import pytest

from stills import ImageRequest
from stills.contract.errors import ImageMissing
from stills.contract.image_kinds import find_kind
from stills.imaging import VipsImaging
from stills.store import open_store

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7)


class Counted(VipsImaging):
    """Counts the thumbnails that are made."""

    made = 0

    async def thumbnail(self, png: bytes, side_max_pixels: int) -> bytes:
        self.made += 1
        return await super().thumbnail(png, side_max_pixels)


@pytest.fixture
def imaging():
    return Counted()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "thumbnails"


@pytest.fixture
async def stills(make_stills, imaging, folder):
    return await make_stills(imaging=imaging, thumbnails=open_store(str(folder)))


async def make(stills):
    return await stills.images.find((await stills.generate(KITE)).id)


async def test_a_thumbnail_is_made_once(stills, imaging, folder, make_stills):
    """However many ask at once; later, and in other processes, it comes from its folder."""
    image = await make(stills)
    small = await asyncio.gather(*(stills.images.small(image) for _ in range(4)))
    assert await stills.images.small(image) == small[0]
    assert find_kind(small[0][:32]) == "image/jpeg"
    assert (len(set(small)), imaging.made) == (1, 1)
    (file,) = folder.iterdir()
    assert file.read_bytes() == small[0]
    other = await make_stills(imaging=imaging, thumbnails=open_store(str(folder)))
    assert await other.images.small(image) == small[0]
    assert imaging.made == 1


async def test_a_thumbnail_goes_with_its_image(stills, folder):
    """In all sizes; it does not matter whether one was ever made."""
    image = await make(stills)
    await stills.images.small(image)
    await stills.images.delete(image)
    assert list(folder.iterdir()) == []
    folder.rmdir()
    image = await make(stills)
    await stills.images.delete(image)


async def test_a_folder_that_can_not_be_written_is_no_obstacle(make_stills, imaging, folder):
    """The thumbnail is made each time."""
    folder.write_text("a file")
    stills = await make_stills(imaging=imaging, thumbnails=open_store(str(folder)))
    image = await make(stills)
    assert await stills.images.small(image) == await stills.images.small(image)
    assert imaging.made == 2


async def test_a_lost_image_has_no_thumbnail(stills, tmp_path):
    """The error is that of the image."""
    image = await make(stills)
    for file in (tmp_path / "images").rglob("*.png"):
        file.unlink()
    with pytest.raises(ImageMissing):
        await stills.images.small(image)
