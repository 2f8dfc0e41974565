"""The references of a request: their order, their number and their names in errors."""

import base64

import pytest
import pyvips

from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.models import MODELS, find_model
from stills.contract.pixel_budget import PixelBudget
from stills.contract.request import ImageRequest
from stills.imaging import VipsImaging
from stills.pipeline.reference import Reference, ReferenceLoader
from stills.pipeline.references import load_references

LOAD = ReferenceLoader(VipsImaging(), PixelBudget(), None).load


async def fail(_: object) -> Reference:
    """Load nothing: the request must be refused before."""
    raise AssertionError


def png(width: int) -> bytes:
    return bytes(
        pyvips.Image.black(width, 32, bands=3).copy(interpretation="srgb").pngsave_buffer()
    )


def request(**references: object) -> ImageRequest:
    return ImageRequest.from_mapping({"prompt": "two kites", "size": "512*512", **references})


async def test_references_are_loaded_in_order():
    """The single one is the first, and all forms are accepted."""
    images = [png(width) for width in (32, 33, 34)]
    data_url = "data:image/png;base64," + base64.b64encode(images[1]).decode()
    asked = request(reference_image=images[0], reference_images=[data_url, images[2]])
    loaded = await load_references(asked, find_model("qwen-image-2.0"), LOAD)
    sent = [base64.b64decode(one.url.partition(",")[2]) for one in loaded]
    assert sent == images


async def test_an_error_names_the_reference():
    """The index counts from 0, as in JSON; the message is the one for a single reference."""
    model = find_model("qwen-image-2.0")
    with pytest.raises(InvalidReference) as single:
        await load_references(request(reference_image=b"text"), model, LOAD)
    assert single.value.field == "reference_image"
    asked = request(reference_image=png(32), reference_images=[png(33), b"text"])
    with pytest.raises(InvalidReference) as caught:
        await load_references(asked, model, LOAD)
    assert caught.value.field == "reference_images[1]"
    assert caught.value.message == single.value.message.replace(
        "reference_image", "reference_images[1]"
    )


@pytest.mark.parametrize(
    ("model", "count", "message", "suggestion"),
    [
        ("qwen-image-max", 2, "text only and takes no reference_images", "qwen-image-2.0"),
        ("qwen-image-2.0", 4, "4 reference images, 1 over", "qwen-image-2.1-turbo"),
        ("qwen-image-2.1-pro", 12, "12 reference images, 2 over", "another model"),
    ],
)
async def test_too_many_references_are_refused_before_any_is_loaded(
    model: str, count: int, message: str, suggestion: str
):
    """The error says by how many, and which model takes them all."""
    asked = request(reference_images=["https://example.com/a.png"] * count)
    with pytest.raises(InvalidRequest, match=message) as caught:
        await load_references(asked, find_model(model), fail)
    assert caught.value.field == "reference_images"
    assert suggestion in caught.value.action


async def test_a_model_for_text_only_takes_no_reference():
    """Nothing is dropped silently, and the error names the field that was given."""
    with pytest.raises(InvalidRequest, match=r"takes no reference_image$") as caught:
        await load_references(request(reference_image="a.png"), find_model("qwen-image-max"), fail)
    assert caught.value.field == "reference_image"


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_takes_as_many_references_as_its_table_says(model: str):
    """The limit itself is accepted."""
    most = find_model(model).reference_images_max
    asked = request(reference_images=[png(32)] * most)
    assert len(await load_references(asked, find_model(model), LOAD)) == most
