"""Which references are sent as images, and what the prompt says about them."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.finished_shots import shot

from stills.batch.references import (
    OnUnsupported,
    UnsentReferences,
    resolve_references,
    with_references,
    without_needs,
)
from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.models import find_model
from stills.shotlist.shots import ShotReference

TEXT_ONLY = find_model("qwen-image-max")
TAKES_3 = find_model("qwen-image-2.0")
TAKES_10 = find_model("qwen-image-2.1-pro")
ANNA = ShotReference(shot="cast-anna", member="anna", description="tall")
BEN = ShotReference(shot="cast-ben", member="ben", description="small")
BOAT = ShotReference(image="boat.png", member="boat")
FILE = ShotReference(image="a.png")
SEA = ShotReference(shot="sea")


def resolve(model, *references, choice=None, **more):
    return resolve_references(shot(references=references, **more), model, choice)


@pytest.mark.parametrize("reference", [ANNA, BOAT, FILE, SEA])
def test_the_prompt_of_a_shot_with_one_reference_stays_as_it_is(reference):
    """Otherwise the images of earlier versions would be paid for again."""
    resolved = resolve(TAKES_3, reference)
    assert resolved.shot == shot(references=(reference,))
    assert not resolved.described


def test_the_prompt_says_which_image_shows_whom():
    """The images are in the order of the list; those without a label are only counted."""
    resolved = resolve(TAKES_3, FILE, ANNA, BOAT)
    assert resolved.shot.references == (FILE, ANNA, BOAT)
    assert resolved.shot.request.prompt == (
        "a red kite. Reference image 2 shows anna. Reference image 3 shows boat."
    )
    assert resolve(TAKES_3, FILE, SEA).shot.request.prompt == "a red kite"


def test_a_label_takes_precedence_over_the_name():
    """It is also in the prompt of a shot with a single reference."""
    resolved = resolve(TAKES_3, replace(ANNA, label="Anna, the keeper."), BEN)
    assert resolved.shot.request.prompt == (
        "a red kite. Reference image 1 shows Anna, the keeper. Reference image 2 shows ben."
    )
    prompt = resolve(TAKES_3, replace(FILE, label="a boat")).shot.request.prompt
    assert prompt == "a red kite. Reference image 1 shows a boat."


def test_a_cast_is_described_if_the_model_accepts_no_references():
    """This is the default; portraits are not needed then."""
    resolved = resolve(TEXT_ONLY, ANNA, BEN)
    assert resolved.shot.request.prompt == "a red kite. anna: tall. ben: small"
    assert resolved.shot.references == ()
    assert resolved.described == ("anna", "ben")
    with pytest.raises(InvalidReference, match="accepts no references"):
        resolve(TEXT_ONLY, ANNA, choice=OnUnsupported.ERROR)


def test_members_that_are_one_too_many_are_described():
    """The last ones are, but a member without a prompt is always sent."""
    eve = replace(ANNA, shot="cast-eve", member="eve", description="old")
    resolved = resolve(TAKES_3, ANNA, BEN, eve, BOAT)
    assert resolved.shot.references == (ANNA, BEN, BOAT)
    assert resolved.described == ("eve",)
    assert resolved.shot.request.prompt == (
        "a red kite. Reference image 1 shows anna. Reference image 2 shows ben. "
        "Reference image 3 shows boat. eve: old"
    )
    assert not resolve(TAKES_10, ANNA, BEN, eve, BOAT).described
    with pytest.raises(InvalidReference, match="4 cast members") as caught:
        resolve(TAKES_3, ANNA, BEN, eve, BOAT, choice=OnUnsupported.ERROR)
    assert "qwen-image-2.1" in caught.value.action


def test_a_member_without_a_prompt_cannot_be_described():
    """It only has an image, which can't be sent."""
    with pytest.raises(InvalidReference, match="can't be described"):
        resolve(TEXT_ONLY, BOAT)
    with pytest.raises(InvalidReference, match="can't be described"):
        resolve(TAKES_3, BOAT, FILE, SEA, FILE)


@pytest.mark.parametrize("reference", [FILE, SEA])
def test_an_explicit_reference_is_an_error_by_default(reference):
    """It is left out only if that was allowed."""
    for choice in (None, OnUnsupported.ERROR):
        with pytest.raises(InvalidReference, match="accepts no references"):
            resolve(TEXT_ONLY, reference, choice=choice)
    resolved = resolve(TEXT_ONLY, reference, choice=OnUnsupported.DESCRIBE)
    assert resolved.shot == shot()
    assert resolved.left_out == 1


@pytest.mark.parametrize("choice", [None, *OnUnsupported])
def test_too_many_explicit_references_are_an_error(choice):
    """None of them is dropped, whatever is done with the cast."""
    with pytest.raises(
        InvalidReference, match="2 reference images and 2 reference shots"
    ) as caught:
        resolve(TAKES_3, FILE, FILE, SEA, SEA, choice=choice)
    assert caught.value.field == "reference_images"


@pytest.mark.parametrize("choice", [None, OnUnsupported.DESCRIBE])
def test_a_portrait_with_too_many_references_is_an_error(choice):
    """References of portraits are never described."""
    with pytest.raises(InvalidReference, match="4 cast members") as caught:
        resolve(TAKES_3, ANNA, BEN, ANNA, BEN, choice=choice, is_portrait=True)
    assert "describe" not in caught.value.action


def test_a_request_gets_all_its_references_in_order():
    """One reference is sent in the form that the keys of older images have."""
    files = {"cast-anna": Path("images/anna.png"), "cast-ben": Path("images/ben.png")}
    request = with_references(shot(references=(BEN, FILE, ANNA)), files)
    assert request.reference_images == ("images/ben.png", "a.png", "images/anna.png")
    assert request.reference_image is None
    one = with_references(shot(references=(ANNA,)), files)
    assert one == replace(shot().request, reference_image="images/anna.png")
    assert with_references(shot(), files) == shot().request


def test_a_shot_can_be_checked_before_the_images_it_needs_exist():
    """Its other references are part of the check."""
    request = without_needs(shot(references=(ANNA, FILE)))
    assert request.reference_image == "a.png"
    with pytest.raises(InvalidRequest, match="can't be sent"):
        without_needs(shot(references=(ANNA, ShotReference(image="a\0.png"))))


def test_the_note_names_shots_and_the_members_described_there():
    """A long list is cut, and a model without references has one note for all shots."""
    unsent = UnsentReferences(TAKES_3)
    assert unsent.note is None
    for number in range(22):
        unsent.add(resolve(TAKES_3, ANNA, ANNA, BEN, BEN, shot_id=f"s{number}"))
    assert unsent.note.startswith("qwen-image-2.0 accepts 3 reference images, so ")
    assert " s0 (ben), s1 (ben), " in unsent.note
    assert unsent.note.endswith(" s19 (ben), 2 more")

    unsent = UnsentReferences(TEXT_ONLY)
    unsent.add(resolve(TEXT_ONLY, ANNA, choice=OnUnsupported.DESCRIBE))
    described = "qwen-image-max accepts no references: the cast is described in the prompts"
    assert unsent.note == described
    unsent.add(resolve(TEXT_ONLY, FILE, choice=OnUnsupported.DESCRIBE))
    assert unsent.note == f"{described}, and reference images and shots are left out"
