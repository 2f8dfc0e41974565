"""What goes to the model as an image, what as words."""

from pathlib import Path

import pytest
from tests.support.finished_shots import shot

from stills.batch.references import OnUnsupported, settle_references, with_reference
from stills.contract.errors import InvalidReference
from stills.contract.models import find_model

TEXT_ONLY = find_model("qwen-image-max")
TAKES_ONE = find_model("qwen-image-2.0")
ANNA = {"needs": ("cast-anna",), "describe": "anna: tall"}
BOTH = {"needs": ("cast-anna", "cast-ben"), "describe": "anna: tall; ben: small"}
BOAT = {"cast_images": ("boat.png",), "describe": "boat: red"}
PORTRAITS = {"cast-anna", "cast-ben"}


def settle(model, choice=None, **more):
    return settle_references(shot(**more), PORTRAITS, model, choice)


def test_one_reference_stays_an_image():
    """Whatever it comes from."""
    assert settle(TAKES_ONE, **ANNA).shot.needs == ("cast-anna",)
    assert settle(TAKES_ONE, needs=("one",)).shot.needs == ("one",)
    assert settle(TAKES_ONE, **BOAT).shot.request.reference_image == "boat.png"
    assert settle(TAKES_ONE, reference_image="a.png").shot.request.reference_image == "a.png"
    assert settle(TAKES_ONE).note is None


def test_a_cast_becomes_words_where_no_image_can_be_sent():
    """By default, and said; the portrait is not needed then."""
    settled = settle(TEXT_ONLY, **ANNA)
    assert settled.shot.request.prompt == "a red kite. anna: tall"
    assert settled.shot.needs == ()
    assert "takes no references" in settled.note
    with pytest.raises(InvalidReference, match="takes no references"):
        settle(TEXT_ONLY, OnUnsupported.ERROR, **ANNA)


def test_a_member_without_words_is_not_dropped():
    """It has an image alone, and that can't be sent."""
    with pytest.raises(InvalidReference, match="can't be put into words"):
        settle(TEXT_ONLY, cast_images=("boat.png",))


@pytest.mark.parametrize("given", [{"reference_image": "a.png"}, {"needs": ("one",)}])
def test_an_explicit_reference_is_an_error_unless_said_otherwise(given):
    """Silence would lose it."""
    for choice in (None, OnUnsupported.ERROR):
        with pytest.raises(InvalidReference, match="takes no references"):
            settle(TEXT_ONLY, choice, **given)
    settled = settle(TEXT_ONLY, OnUnsupported.DESCRIBE, **given)
    assert settled.shot.needs == ()
    assert settled.shot.request.reference_image is None
    assert "left out" in settled.note


@pytest.mark.parametrize("choice", [None, OnUnsupported.DESCRIBE])
def test_a_cast_that_is_too_many_for_one_reference_is_described(choice):
    """All of it, which is said; an explicit reference stays the image."""
    settled = settle(TAKES_ONE, choice, **BOTH)
    assert settled.shot.request.prompt.endswith("anna: tall; ben: small")
    assert settled.shot.needs == ()
    assert "more references than one" in settled.note
    mixed = settle(TAKES_ONE, choice, **(ANNA | {"needs": ("one", "cast-anna")}))
    assert mixed.shot.needs == ("one",)
    assert mixed.shot.request.prompt.endswith("anna: tall")


def test_more_references_than_one_are_an_error_where_that_is_asked_for():
    """Two explicit ones always are."""
    with pytest.raises(InvalidReference, match="2 of the cast") as caught:
        settle(TAKES_ONE, OnUnsupported.ERROR, **BOTH)
    assert "--on-unsupported-reference describe" in caught.value.action
    for choice in (None, *OnUnsupported):
        with pytest.raises(InvalidReference, match="2 reference shots"):
            settle(TAKES_ONE, choice, needs=("one", "two"))


def test_a_shot_gets_the_image_of_the_one_it_needs():
    """As a path; without a need it stays as it is."""
    files = {"one": Path("images/one.png")}
    given = with_reference(shot(needs=("one",)), files)
    assert given.request.reference_image == "images/one.png"
    assert with_reference(shot(), files).request.reference_image is None


def test_a_portrait_with_more_references_than_one_is_an_error():
    """It can't be drawn, and words do not take their place."""
    portrait = {"is_portrait": True, "needs": ("cast-anna", "cast-ben")}
    for choice in (None, OnUnsupported.DESCRIBE):
        with pytest.raises(InvalidReference, match="2 of the cast") as caught:
            settle(TAKES_ONE, choice, **portrait)
        assert caught.value.action == "Keep one."
