"""Planning: native sizes, the prompt sent, limits and keys."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stills.contract.errors import InvalidRequest
from stills.contract.generation import ReferenceRecord
from stills.contract.models import MODELS, find_model
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.pipeline.plan import Plan, make_plan, simplify, weave_style
from stills.pipeline.reference import Reference

MAX = find_model("qwen-image-max")
FREE = find_model("qwen-image-2.0")
REFERENCE = Reference(
    "data:image/png;base64,AAAA", "digest", "https://example.com/a.png", Size(64, 64)
)


def plan(
    *,
    provider: str = "dashscope",
    model: str = MAX.id,
    references: Sequence[Reference] = (),
    **given,
) -> Plan:
    request = ImageRequest(**({"prompt": "a red kite", "size": "1024*1024", "seed": 1} | given))
    return make_plan(request, find_model(model), provider=provider, references=references)


def test_the_style_is_added_to_the_prompt():
    """The service has no style parameter."""
    assert weave_style("a red kite", "ink wash") == "a red kite. Style: ink wash"
    assert weave_style("a red kite!", "ink wash") == "a red kite! Style: ink wash"
    assert plan(style="ink wash").provider_request.text == "a red kite. Style: ink wash"


def test_a_negative_prompt_over_the_limit_is_an_error():
    """The service would cut it silently."""
    with pytest.raises(InvalidRequest, match="501 characters, 1 over") as caught:
        plan(negative_prompt="x" * 501)
    assert caught.value.field == "negative_prompt"


def test_equal_requests_have_equal_keys():
    """Spelling does not matter: sizes with the same native size, outer spaces, empty fields."""
    key = plan().spec.key
    assert plan(size="512x512").spec.key == key
    assert plan(prompt="  a red kite \n", negative_prompt="", style=" ").spec.key == key


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "a red kite."},
        {"negative_prompt": "blurry"},
        {"style": "ink"},
        {"seed": 2},
        {"seed": None},
        {"size": "1920*1080"},
        {"model": "qwen-image-2.0"},
        {"provider": "sandbox"},
    ],
)
def test_requests_that_reach_the_service_differently_have_different_keys(other: dict):
    """Above all, a sandbox image never answers a real request."""
    assert plan(**other).spec.key != plan().spec.key


def test_content_and_order_of_references_are_part_of_the_key():
    """The same prompt with other references, or in another order, is another image."""
    other = replace(REFERENCE, digest="other")
    ways = [(), (REFERENCE,), (other,), (REFERENCE, other), (other, REFERENCE), (other, other)]
    keys = {plan(model=FREE.id, references=given).spec.key for given in ways}
    assert len(keys) == len(ways)


@pytest.mark.parametrize(
    ("references", "key"),
    [
        ((), "08c002a3fc8b9dcd22d48714a32b1fe6522cbe2556b594c856a3bb944fa38528"),
        ((REFERENCE,), "28f78638d44266c02aca78fda393184178334bfa15cf379ed91ba61b46683edf"),
    ],
)
def test_keys_of_images_that_were_paid_for_stay(references: tuple[Reference, ...], key: str):
    """They are those of the versions that knew one reference at most."""
    assert plan(model=FREE.id, references=references).spec.key == key


def test_references_are_sent_and_recorded_in_order():
    """The record has their digests and names, but not their URLs."""
    other = Reference("data:image/png;base64,AAAA", "other", "tom.png", Size(64, 64))
    planned = plan(model=FREE.id, references=(other, REFERENCE))
    assert planned.provider_request.reference_urls == (other.url, REFERENCE.url)
    assert planned.spec.references == (
        ReferenceRecord("other", "tom.png"),
        ReferenceRecord("digest", "https://example.com/a.png"),
    )


def test_a_request_without_a_seed_gets_one_that_is_not_in_its_key():
    """Repeating it finds the image, with or without the seed."""
    first, second = plan(seed=None), plan(seed=None)
    assert first.spec.key == second.spec.key
    assert first.spec.seed != second.spec.seed
    assert first.provider_request.seed == first.spec.seed
    assert plan(seed=first.spec.seed).spec.key == first.spec.seeded_key


def test_a_simplified_prompt_is_its_first_sentence_cut_between_words():
    """It is sent after an answer without an image."""
    assert simplify("A red kite. It flies. High up") == "A red kite"
    assert simplify("一只红色的风筝。在飞") == "一只红色的风筝"
    long = simplify("word " * 160)
    assert len(long) <= 200
    assert long.endswith("word")


def test_every_model_of_the_table_can_be_planned():
    """A model added to the table needs no other code."""
    for model in MODELS:
        assert plan(model=model).spec.model == model


THIRD = "qwen-image-3.0"


def test_the_default_of_prompt_extend_given_or_not_is_the_same_image():
    """It is sent as true in both cases, so an image that is paid for stays found."""
    assert plan(prompt_extend=True).spec.key == plan().spec.key
    assert plan(prompt_extend=False).spec.key != plan().spec.key


def test_the_key_of_a_plain_request_never_changes():
    """Images that users have paid for are found by it."""
    key = plan(provider="dashscope", prompt="a red kite", size="1024*1024", seed=1).spec.key
    assert key == "984da47c8f527f057b27fc819aefd83051c0296b8ed32d3a1b963dfde4d50611"


def test_what_rewrites_the_prompt_is_sent_and_part_of_the_key_only_if_given():
    """Models without these fields never see them."""
    plain, told = plan(model=THIRD), plan(model=THIRD, enable_thinking=False)
    assert (plain.provider_request.enable_thinking, plain.provider_request.prompt_extend) == (
        None,
        True,
    )
    assert told.provider_request.enable_thinking is False
    assert told.spec.enable_thinking is False
    assert plain.spec.key != told.spec.key


@pytest.mark.parametrize(
    ("model", "given", "field", "reason"),
    [
        (MAX.id, {"enable_thinking": False}, "enable_thinking", "qwen-image-max has no"),
        (FREE.id, {"prompt_extend_mode": "direct"}, "prompt_extend_mode", "has no"),
        (
            THIRD,
            {"prompt_extend": False, "prompt_extend_mode": "agent"},
            "prompt_extend_mode",
            "has no effect",
        ),
        (
            THIRD,
            {"prompt_extend": False, "enable_thinking": True},
            "enable_thinking",
            "has no effect",
        ),
    ],
)
def test_a_field_that_would_be_ignored_is_refused(model, given, field, reason):
    """The error names the field and what to do."""
    with pytest.raises(InvalidRequest) as caught:
        plan(model=model, **given)
    assert caught.value.field == field
    assert reason in caught.value.message
    assert "Leave" in caught.value.action


def test_thinking_can_be_switched_off_together_with_the_rewriting():
    """Both switches off are not a contradiction."""
    told = plan(model=THIRD, prompt_extend=False, enable_thinking=False)
    assert told.provider_request.prompt_extend is False
