"""The rules of a request."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest
from stills.contract.size import Size

FIELDS = [
    "prompt",
    "size",
    "negative_prompt",
    "style",
    "seed",
    "reference_image",
    "reference_images",
    "prompt_extend",
    "prompt_extend_mode",
    "enable_thinking",
]
GOOD: dict[str, Any] = {"prompt": "a red kite", "size": "1024*1024"}

# Words of pydantic that a caller should never read.
FOREIGN_WORDS = re.compile(
    r"pydantic|validation|input should|input_type|union|\[type=|traceback|value_error|constrained"
    r"|str\b|\bint\b|NoneType|ImageRequest",
    re.IGNORECASE,
)


def refuse(fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest.from_mapping(fields)
    return caught.value


def check_wording(error: InvalidRequest, field: str | None) -> None:
    """Check that the error names the field and a fix, in our own words."""
    assert error.field == field
    assert error.action.endswith(".")
    assert not FOREIGN_WORDS.search(error.message), error.message
    assert not FOREIGN_WORDS.search(error.action), error.action
    assert "\n" not in error.message


def test_the_smallest_request_has_a_prompt_and_a_size():
    """Other fields are optional, with None as default."""
    request = ImageRequest.from_mapping(GOOD)
    assert request == ImageRequest(prompt="a red kite", size="1024*1024")
    assert request.output_size == Size(1024, 1024)
    assert (request.negative_prompt, request.style) == (None, None)
    assert (request.seed, request.reference_image) == (None, None)
    assert request.reference_images == request.all_references == ()


def test_a_full_request_keeps_every_field():
    """Each field reads back as given."""
    fields = GOOD | {
        "negative_prompt": "text",
        "style": "film noir",
        "seed": 7,
        "reference_image": "https://example.com/a.png",
        "reference_images": ["https://example.com/b.png"],
        "prompt_extend": False,
        "prompt_extend_mode": "agent",
        "enable_thinking": True,
    }
    request = ImageRequest.from_json(json.dumps(fields))
    read = {name: getattr(request, name) for name in FIELDS}
    assert read == fields | {"reference_images": ("https://example.com/b.png",)}


def test_a_reference_may_be_bytes():
    """They are not changed."""
    request = ImageRequest(prompt="a", size="64*64", reference_image=b"\x89PNG\xff")
    assert request.reference_image == b"\x89PNG\xff"


@pytest.mark.parametrize("given", [None, [], ()])
def test_no_list_of_references_is_an_empty_one(given: object):
    """Clients write null or an empty list for a field that they don't use."""
    assert ImageRequest.from_mapping(GOOD | {"reference_images": given}).all_references == ()


def test_the_single_reference_comes_before_the_list():
    """Whether a list or a tuple is given, and for text and bytes alike."""
    request = ImageRequest.from_mapping(
        GOOD | {"reference_image": "a.png", "reference_images": [b"b", "c.png"]}
    )
    assert request.reference_images == (b"b", "c.png")
    assert request.all_references == ("a.png", b"b", "c.png")
    assert hash(request) == hash(replace(request, reference_images=[b"b", "c.png"]))


@pytest.mark.parametrize("written", ["1024x768", "1024X768", "1024×768", " 1024 * 768 "])
def test_a_size_is_written_with_a_star(written):
    """Other notations become W*H, so that they are the same request."""
    assert ImageRequest(prompt="a", size=written).size == "1024*768"


def test_text_is_stripped_and_empty_options_are_none():
    """Space around text is ignored, and an empty optional text is None."""
    request = ImageRequest(prompt="  a kite\n", size="64*64", negative_prompt=" ", style="")
    assert request.prompt == "a kite"
    assert (request.negative_prompt, request.style) == (None, None)


def test_a_request_cannot_be_changed():
    """Steps share requests, so they are frozen."""
    request = ImageRequest.from_mapping(GOOD)
    with pytest.raises(AttributeError, match="prompt"):
        request.prompt = "another"


@pytest.mark.parametrize("seed", [0, 1, 2_147_483_647])
def test_the_whole_range_of_seeds_is_accepted(seed):
    """So are both ends of the range."""
    assert ImageRequest(prompt="a", size="64*64", seed=seed).seed == seed


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n\t\u3000"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["a kite"]}, "prompt"),
        ({"prompt": b"a kite"}, "prompt"),
        ({"prompt": "a\0kite"}, "prompt"),
        ({"prompt": "a \ud83e kite"}, "prompt"),
        ({"negative_prompt": "a\0b"}, "negative_prompt"),
        ({"negative_prompt": "\udc00"}, "negative_prompt"),
        ({"negative_prompt": 1.5}, "negative_prompt"),
        ({"style": "\0"}, "style"),
        ({"style": {"name": "noir"}}, "style"),
        ({"size": ""}, "size"),
        ({"size": "abc"}, "size"),
        ({"size": "0*0"}, "size"),
        ({"size": "99999*1"}, "size"),
        ({"size": "1024"}, "size"),
        ({"size": 1024}, "size"),
        ({"size": [1024, 1024]}, "size"),
        ({"size": None}, "size"),
        ({"seed": -1}, "seed"),
        ({"seed": 2_147_483_648}, "seed"),
        ({"seed": 10**30}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": False}, "seed"),
        ({"seed": 7.0}, "seed"),
        ({"seed": float("nan")}, "seed"),
        ({"reference_image": ""}, "reference_image"),
        ({"reference_image": "a\0.png"}, "reference_image"),
        ({"reference_image": 5}, "reference_image"),
        ({"reference_image": ["a.png"]}, "reference_image"),
        ({"reference_image": {"url": "a.png"}}, "reference_image"),
        ({"reference_images": "a.png"}, "reference_images"),
        ({"reference_images": b"a.png"}, "reference_images"),
        ({"reference_images": {"url": "a.png"}}, "reference_images"),
        ({"reference_images": ["a.png", "b.png", " "]}, "reference_images[2]"),
        ({"reference_images": ["a.png", None]}, "reference_images[1]"),
        ({"reference_images": [["a.png"]]}, "reference_images[0]"),
        ({"reference_images": [b"a", "a\0.png"]}, "reference_images[1]"),
        ({"prompt_extend": "false"}, "prompt_extend"),
        ({"prompt_extend": 0}, "prompt_extend"),
        ({"enable_thinking": "yes"}, "enable_thinking"),
        ({"enable_thinking": []}, "enable_thinking"),
        ({"prompt_extend_mode": "Agent"}, "prompt_extend_mode"),
        ({"prompt_extend_mode": ""}, "prompt_extend_mode"),
        ({"prompt_extend_mode": ["agent"]}, "prompt_extend_mode"),
    ],
    ids=ascii,
)
def test_a_field_that_breaks_a_rule_is_named_with_a_fix(change, field):
    """The error names the field and a fix, and has no words of a library."""
    check_wording(refuse(GOOD | change), field)


@pytest.mark.parametrize("size", [(1280, 720), [1280, 720]])
def test_a_size_of_two_numbers_is_refused_with_the_way_to_write_it(size):
    """Types stay the same everywhere: text, or width and height."""
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(prompt="a", size=size)
    assert '"1280*720"' in caught.value.action


@pytest.mark.parametrize("field", ["prompt", "size"])
def test_a_missing_field_is_named(field):
    """Prompt and size are required."""
    error = refuse({name: value for name, value in GOOD.items() if name != field})
    check_wording(error, field)
    assert error.message == f"{field} is missing"


@pytest.mark.parametrize("name", ["Prompt", "n", "model", "self", "negative-prompt", "", "x" * 999])
def test_an_unknown_field_is_named_with_the_known_ones(name):
    """Misspelt fields are never ignored."""
    error = refuse(GOOD | {name: 1})
    check_wording(error, name[:40])
    assert all(known in error.action for known in FIELDS)


def test_a_field_name_that_is_not_text_is_unknown():
    """A mapping made by a program may have any key."""
    assert refuse(GOOD | {5: 1}).field == "5"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nope",
        "{'prompt': 1}",
        b"\xff\xfe\xff",
        b"\x80",
        "[" * 100_000,
        '{"seed": ' + "9" * 5000,
        '{"prompt": "a red kite", "size": "64*64", "seed": NaN}',
    ],
    ids=range(9),
)
def test_invalid_json_is_rejected(text):
    """The error shows what a request looks like."""
    with pytest.raises(InvalidRequest, match="is not JSON") as caught:
        ImageRequest.from_json(text)
    assert '{"prompt": "a red kite"' in caught.value.action


def test_a_duplicate_field_is_rejected():
    """Otherwise one value would be dropped silently, and the other billed."""
    with pytest.raises(InvalidRequest, match="has 'prompt' twice") as caught:
        ImageRequest.from_json('{"prompt": "a", "prompt": "b", "size": "64*64"}')
    check_wording(caught.value, "prompt")


@pytest.mark.parametrize("prompt", ["\ufeff", "\u200b\u200d", " \u2060 \u3000", "\u202e\x07"])
def test_a_prompt_without_a_visible_character_is_rejected(prompt):
    """It would be billed without showing anything."""
    error = refuse(GOOD | {"prompt": prompt})
    check_wording(error, "prompt")
    assert ImageRequest(prompt=f"{prompt}風", size="64*64").prompt.endswith("風")


@pytest.mark.parametrize("text", ["[]", "null", '"a red kite"', "5", "true"])
def test_json_that_is_not_an_object_is_rejected(text):
    """A list or a single value is not a request."""
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        ImageRequest.from_json(text)


def test_a_lone_surrogate_in_json_is_rejected():
    """JSON can contain escapes that can't be sent."""
    with pytest.raises(InvalidRequest, match="half a surrogate pair"):
        ImageRequest.from_json('{"prompt": "\\ud83e", "size": "64*64"}')


any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), any_value)
    | st.dictionaries(any_text | st.integers(), any_value)
    | st.dictionaries(st.sampled_from(FIELDS), any_value).map(lambda fields: GOOD | fields)
)
def test_any_mapping_is_a_request_or_rejected(fields):
    """No mapping raises anything but InvalidRequest, and that has an action."""
    try:
        assert ImageRequest.from_mapping(fields).prompt
    except InvalidRequest as error:
        check_wording(error, error.field)


@given(any_text | st.binary() | st.text('{}[]":,0123456789eE+-.truefalsn \\u'))
def test_any_text_is_a_request_or_rejected(text):
    """No text raises anything but InvalidRequest."""
    with pytest.raises(InvalidRequest):
        ImageRequest.from_json(text)


@given(
    st.dictionaries(
        st.sampled_from(FIELDS), any_value.filter(lambda one: not isinstance(one, bytes))
    )
)
def test_any_json_object_is_a_request_or_rejected(fields):
    """No object makes from_json raise anything but InvalidRequest."""
    try:
        text = json.dumps(GOOD | fields)
    except TypeError:
        return
    try:
        assert ImageRequest.from_json(text).output_size.pixels >= 64 * 64
    except InvalidRequest as error:
        check_wording(error, error.field)


def test_references_are_not_in_the_representation():
    """It may be logged, and they may be private pictures or signed links."""
    request = ImageRequest(
        prompt="a kite",
        size="512*512",
        reference_image="https://example.com/a.png?Signature=swordfish",
        reference_images=[b"swordfish"],
    )
    assert "swordfish" not in repr(request)


def test_width_and_height_are_a_size():
    """A caller that has two numbers needs not write them as text."""
    assert ImageRequest(prompt="a kite", width=640, height=360).size == "640*360"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "size"),
        ({"width": 640}, "height"),
        ({"width": "640", "height": 360}, "width"),
        ({"width": 640, "height": True}, "height"),
        ({"size": "640*360", "width": 640, "height": 360}, "size"),
        ({"width": 10, "height": 360}, "size"),
    ],
)
def test_a_size_is_given_once_and_completely(given, field):
    """Half a size, two sizes and no size are errors that name the field."""
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(prompt="a kite", **given)
    assert caught.value.field == field


def test_requests_in_json_have_a_size():
    """`width` and `height` are for Python only: JSON has the contract's fields."""
    with pytest.raises(InvalidRequest, match="unknown field 'width'"):
        ImageRequest.from_mapping({"prompt": "a kite", "width": 640, "height": 360})
