"""Which references are sent as an image, and which are described."""

from pathlib import Path

import pytest
from tests.support.finished_shots import shot

from stills.batch.references import OnUnsupported, resolve_references, with_reference
from stills.contract.errors import InvalidReference
from stills.contract.models import find_model

TEXT_ONLY = find_model("qwen-image-max")
TAKES_ONE = find_model("qwen-image-2.0")
ANNA = {"needs": ("cast-anna",), "describe": "anna: tall"}
BOTH = {"needs": ("cast-anna", "cast-ben"), "describe": "anna: tall; ben: small"}
BOAT = {"cast_images": ("boat.png",), "describe": "boat: red"}
PORTRAITS = {"cast-anna", "cast-ben"}


def resolve(model, choice=None, **more):
    return resolve_references(shot(**more), PORTRAITS, model, choice)


def test_one_reference_stays_an_image():
    """It may be a portrait, a shot, a member's image or a file."""
    assert resolve(TAKES_ONE, **ANNA).shot.needs == ("cast-anna",)
    assert resolve(TAKES_ONE, needs=("one",)).shot.needs == ("one",)
    assert resolve(TAKES_ONE, **BOAT).shot.request.reference_image == "boat.png"
    assert resolve(TAKES_ONE, reference_image="a.png").shot.request.reference_image == "a.png"
    assert resolve(TAKES_ONE).note is None


def test_a_cast_is_described_if_the_model_accepts_no_references():
    """This is the default, with a note; the portrait is not needed then."""
    resolved = resolve(TEXT_ONLY, **ANNA)
    assert resolved.shot.request.prompt == "a red kite. anna: tall"
    assert resolved.shot.needs == ()
    assert "accepts no references" in resolved.note
    with pytest.raises(InvalidReference, match="accepts no references"):
        resolve(TEXT_ONLY, OnUnsupported.ERROR, **ANNA)


def test_a_member_without_a_prompt_cannot_be_described():
    """It only has an image, which can't be sent."""
    with pytest.raises(InvalidReference, match="can't be described"):
        resolve(TEXT_ONLY, cast_images=("boat.png",))


@pytest.mark.parametrize("given", [{"reference_image": "a.png"}, {"needs": ("one",)}])
def test_an_explicit_reference_is_an_error_by_default(given):
    """It is left out, with a note, only if that was allowed."""
    for choice in (None, OnUnsupported.ERROR):
        with pytest.raises(InvalidReference, match="accepts no references"):
            resolve(TEXT_ONLY, choice, **given)
    resolved = resolve(TEXT_ONLY, OnUnsupported.DESCRIBE, **given)
    assert resolved.shot.needs == ()
    assert resolved.shot.request.reference_image is None
    assert "left out" in resolved.note


@pytest.mark.parametrize("choice", [None, OnUnsupported.DESCRIBE])
def test_a_cast_of_several_is_described(choice):
    """All members are, with a note; an explicit reference is still sent."""
    resolved = resolve(TAKES_ONE, choice, **BOTH)
    assert resolved.shot.request.prompt.endswith("anna: tall; ben: small")
    assert resolved.shot.needs == ()
    assert "more than one reference" in resolved.note
    mixed = resolve(TAKES_ONE, choice, **(ANNA | {"needs": ("one", "cast-anna")}))
    assert mixed.shot.needs == ("one",)
    assert mixed.shot.request.prompt.endswith("anna: tall")


def test_several_references_are_an_error_if_requested():
    """Two explicit ones always are an error."""
    with pytest.raises(InvalidReference, match="2 cast members") as caught:
        resolve(TAKES_ONE, OnUnsupported.ERROR, **BOTH)
    assert "--on-unsupported-reference describe" in caught.value.action
    for choice in (None, *OnUnsupported):
        with pytest.raises(InvalidReference, match="2 reference shots"):
            resolve(TAKES_ONE, choice, needs=("one", "two"))


def test_a_shot_gets_the_image_of_the_shot_it_needs():
    """The reference is a path; a shot without needs stays unchanged."""
    files = {"one": Path("images/one.png")}
    given = with_reference(shot(needs=("one",)), files)
    assert given.request.reference_image == "images/one.png"
    assert with_reference(shot(), files).request.reference_image is None


def test_a_portrait_with_several_references_is_an_error():
    """References of portraits are never described."""
    portrait = {"is_portrait": True, "needs": ("cast-anna", "cast-ben")}
    for choice in (None, OnUnsupported.DESCRIBE):
        with pytest.raises(InvalidReference, match="2 cast members") as caught:
            resolve(TAKES_ONE, choice, **portrait)
        assert caught.value.action == "Keep one."
