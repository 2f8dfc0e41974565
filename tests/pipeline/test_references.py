"""The references of a request: their order, their number and their names in errors."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyvips
from tests.support.reference_loader import make_loader

from stills.app import Stills
from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.generation import ReferenceRecord
from stills.contract.models import MODELS, find_model
from stills.contract.request import ImageRequest
from stills.pipeline import references
from stills.pipeline.reference import Reference
from stills.pipeline.references import load_references
from stills.sandbox import Fault, FaultKind, Sandbox

LOAD = make_loader().load


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
    with pytest.raises(InvalidRequest, match=r"takes no reference_image\n") as caught:
        await load_references(request(reference_image="a.png"), find_model("qwen-image-max"), fail)
    assert caught.value.field == "reference_image"


async def test_references_are_limited_together(monkeypatch: pytest.MonkeyPatch):
    """Loading stops at the first that doesn't fit; one alone has its own limit."""
    image, model = png(32), find_model("qwen-image-2.1-pro")
    (loaded,) = await load_references(request(reference_image=image), model, LOAD)
    monkeypatch.setattr(references, "SENT_MAX_BYTES", 3 * len(loaded.url))
    assert len(await load_references(request(reference_images=[image] * 3), model, LOAD)) == 3
    with pytest.raises(InvalidReference, match=r"first 4 are 0\.0 MB as sent") as caught:
        await load_references(request(reference_images=[image] * 4 + [b"text"]), model, LOAD)
    assert caught.value.field == "reference_images"


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_takes_as_many_references_as_its_table_says(model: str):
    """The limit itself is accepted."""
    most = find_model(model).reference_images_max
    asked = request(reference_images=[png(32)] * most)
    assert len(await load_references(asked, find_model(model), LOAD)) == most


# End to end: the real SDK over real HTTP, a real catalog and a real store.

EDIT = "qwen-image-2.0"


async def test_the_service_gets_references_in_order(stills: Stills, sandbox: Sandbox):
    """Each as an image before the text, in the order of the request."""
    images = [png(width) for width in (32, 33, 34)]
    await stills.generate(request(reference_images=images), model=EDIT)
    (send,) = sandbox.ledger.generations
    assert send.content == ("image:data", "image:data", "image:data", "text")
    assert send.references == tuple(hashlib.sha256(image).hexdigest() for image in images)


async def test_another_order_is_another_image(stills: Stills, sandbox: Sandbox):
    """The same order is the same image, however it is given."""
    one, two = png(32), png(33)
    first = await stills.generate(request(reference_images=[one, two]), model=EDIT)
    again = await stills.generate(request(reference_image=one, reference_images=[two]), model=EDIT)
    swapped = await stills.generate(request(reference_images=[two, one]), model=EDIT)
    assert (again.id, again.cached) == (first.id, True)
    assert not swapped.cached
    assert swapped.id != first.id
    assert sandbox.ledger.billed_images == 2


async def test_a_result_says_what_was_changed_in_a_reference(stills: Stills):
    """Also if the image is stored already."""
    large = pyvips.Image.black(4000, 1000).jpegsave_buffer()
    for cached in (False, True):
        result = await stills.generate(request(reference_images=[png(32), large]), model=EDIT)
        assert result.cached is cached
        assert result.notes[0] == (
            f"The reference image ({len(large)} bytes) was scaled down from 4000*1000 to 3072*768 "
            "to be sent."
        )


async def test_a_list_of_one_is_the_single_reference(stills: Stills):
    """A client that always sends a list gets the image that was paid for."""
    first = await stills.generate(request(reference_image=png(32)), model=EDIT)
    again = await stills.generate(request(reference_images=[png(32)]), model=EDIT)
    assert (again.id, again.cached) == (first.id, True)


async def test_nothing_is_sent_if_there_are_too_many(stills: Stills, sandbox: Sandbox):
    """The limit of the model counts both fields together."""
    asked = request(reference_image=png(32), reference_images=[png(33), png(34), png(35)])
    with pytest.raises(InvalidRequest, match=r"4 reference images, 1 over qwen-image-2\.0"):
        await stills.generate(asked, model=EDIT)
    assert sandbox.ledger.sends == ()


async def test_a_stored_image_tells_which_references_it_got(stills: Stills, tmp_path: Path):
    """Their names and digests, in order; no path, URL or bytes."""
    path = tmp_path / "anna.png"
    path.write_bytes(png(32))
    result = await stills.generate(request(reference_images=[str(path), png(33)]), model=EDIT)
    shown = await stills.images.show(result.id)
    assert shown.image.generation.spec.references == (
        ReferenceRecord(hashlib.sha256(png(32)).hexdigest(), "anna.png"),
        ReferenceRecord(hashlib.sha256(png(33)).hexdigest(), f"{len(png(33))} bytes"),
    )


async def test_a_rebuilt_catalog_knows_the_references(
    make_stills: Callable[..., Any], sandbox: Sandbox, tmp_path: Path
):
    """They are in the sidecar, so the image is found again without a call."""
    asked = request(reference_images=[png(32), png(33)])
    stills = await make_stills()
    first = await stills.generate(asked, model=EDIT)
    spec = (await stills.images.show(first.id)).image.generation.spec
    await stills.close()
    (tmp_path / "stills.db").unlink()
    again = await make_stills()
    await again.maintenance.rebuild()
    assert (await again.images.show(first.id)).image.generation.spec == spec
    assert (await again.generate(asked, model=EDIT)).cached
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize(
    ("field", "images"),
    [("reference_image", png(32)), ("reference_images", [png(32), png(33)])],
)
async def test_a_refusal_by_the_service_names_the_field(
    stills: Stills, sandbox: Sandbox, field: str, images: object
):
    """The service does not always say which of several references it can't use."""
    sandbox.set_faults(Fault(FaultKind.REFERENCE_UNREADABLE))
    with pytest.raises(InvalidReference) as caught:
        await stills.generate(request(**{field: images}), model=EDIT)
    assert caught.value.field == field
