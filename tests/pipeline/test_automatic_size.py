"""Requests of size `auto`, end to end."""

from dataclasses import replace

import pytest
import pyvips

from stills.contract.models import find_model
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.pipeline.native_size import automatic_size
from stills.sandbox import Sandbox

KITE = ImageRequest(prompt="a red kite over a harbour", size="auto", seed=7)


def photo(width: int, height: int) -> bytes:
    return pyvips.Image.black(width, height, bands=3).pngsave_buffer()


async def test_an_edit_gets_the_aspect_ratio_of_its_reference(stills, sandbox: Sandbox):
    """With about 1024*1024 pixels; the result has the actual width and height."""
    wanted = replace(KITE, reference_image=photo(600, 400))
    result = await stills.generate(wanted, model="qwen-image-2.0")
    assert (result.width, result.height) == (1248, 832)
    assert [send.size for send in sandbox.ledger.generations] == ["1248*832"]
    assert (await stills.generate(wanted, model="qwen-image-2.0")).cached


async def test_of_several_references_the_first_one_counts(stills):
    """It is the image to edit."""
    wanted = replace(KITE, reference_images=(photo(400, 600), photo(600, 400)))
    result = await stills.generate(wanted, model="qwen-image-2.0")
    assert (result.width, result.height) == (832, 1248)


async def test_without_a_reference_an_image_has_the_default_size_of_its_model(stills):
    """And the catalog answers it without loading anything."""
    result = await stills.generate(KITE)
    assert (result.width, result.height) == (1664, 928)
    (answer,) = await stills.answer_from_catalog([KITE])
    assert answer.result is not None
    assert answer.result.id == result.id


@pytest.mark.parametrize(
    ("model", "size"), [("qwen-image-max", (1664, 928)), ("qwen-image-2.0", (2048, 2048))]
)
def test_the_default_size_of_a_model_is_the_services(model: str, size: tuple[int, int]):
    """As in the API reference."""
    assert automatic_size(find_model(model), []) == Size(*size)


def test_an_unknown_aspect_ratio_of_a_reference_counts_as_square():
    """The price of an image does not depend on its ratio, so it can be estimated."""
    assert automatic_size(find_model("qwen-image-2.0"), [None]) == Size(1024, 1024)


async def test_the_price_of_an_automatic_size_is_that_of_about_1024_by_1024_pixels(stills):
    """3.0-pro charges less up to 2,250,000 pixels; without a reference it makes 2048*2048."""
    edit = replace(KITE, reference_image=photo(600, 400))
    edited = await stills.generate(edit, model="qwen-image-3.0-pro")
    made = await stills.generate(KITE, model="qwen-image-3.0-pro")
    assert (edited.cost_usd, made.cost_usd) == (0.043, 0.075)
