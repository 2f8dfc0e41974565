"""The port Imaging, as the pipeline sees it."""

import asyncio

import pytest
import pyvips

import stills.imaging
from stills.contract.errors import DamagedImage, InvalidReference
from stills.contract.ports.imaging import Imaging
from stills.contract.size import Size
from stills.imaging import VipsImaging

PNG = pyvips.Image.black(300, 200).bandjoin([90, 200]).copy(interpretation="srgb").pngsave_buffer()


@pytest.fixture
def imaging() -> Imaging:
    return VipsImaging()


async def test_a_rendition_can_be_inspected(imaging: Imaging):
    """A rendition passes the inspection and has the requested size."""
    fitted = await imaging.fit(PNG, Size(128, 72))
    assert (await imaging.inspect(fitted)).size == Size(128, 72)
    assert (await imaging.prepare_reference(fitted)).data == fitted


async def test_errors_are_raised_through_threads(imaging: Imaging):
    """Every method raises the contract's errors."""
    with pytest.raises(DamagedImage):
        await imaging.inspect(b"<html>")
    with pytest.raises(DamagedImage):
        await imaging.fit(b"<html>", Size(64, 64))
    with pytest.raises(InvalidReference):
        await imaging.measure_reference(b"<html>")
    with pytest.raises(InvalidReference):
        await imaging.prepare_reference(b"<html>")


async def test_the_same_image_becomes_the_same_bytes(imaging: Imaging):
    """Concurrent renditions don't affect each other."""
    fitted = await asyncio.gather(*(imaging.fit(PNG, Size(640, 360)) for _ in range(8)))
    assert len(set(fitted)) == 1


async def test_the_event_loop_runs_while_an_image_is_made(imaging: Imaging):
    """Other tasks run during a fit."""
    fit = asyncio.create_task(imaging.fit(PNG, Size(2048, 2048)))
    turns = 0
    while not fit.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 2


def test_the_public_names_are_sorted():
    """The package exports what it lists."""
    assert sorted(stills.imaging.__all__) == stills.imaging.__all__
    assert all(hasattr(stills.imaging, one) for one in stills.imaging.__all__)
