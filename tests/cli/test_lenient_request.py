"""What the skill's script makes of a request as agents write it."""

import json

import pytest

from stills.cli.lenient_request import read_lenient_request
from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest


def read(**fields: object):
    return read_lenient_request(json.dumps({"prompt": "a red kite"} | fields))


def test_a_missing_size_is_a_square():
    """It is the size that the specification's own example uses by default."""
    assert read().request == ImageRequest(prompt="a red kite", size="1024*1024")


@pytest.mark.parametrize("absent", [None, "", "  "])
@pytest.mark.parametrize(
    "field", ["size", "negative_prompt", "style", "seed", "reference_image", "model", "n"]
)
def test_empty_text_and_null_mean_absent(field: str, absent: object):
    """A template that fills in nothing is a request without the field."""
    given = read(**{field: absent})
    assert given.request == ImageRequest(prompt="a red kite", size="1024*1024")
    assert given.model is None
    assert given.ignored == []


@pytest.mark.parametrize("seed", ["7", " 7 ", "7.0", 7.0, 7])
def test_a_whole_number_may_be_text_or_have_a_fraction_of_zero(seed: object):
    """All of them are the same request, so the second one is free."""
    assert read(seed=seed).request.seed == 7


@pytest.mark.parametrize("seed", ["seven", 7.5, "7.5", True, "-1", "٧", "1e3", [7], 10**400])
def test_a_seed_that_is_not_a_whole_number_is_rejected(seed: object):
    """It is never rounded or dropped: another seed is another image."""
    with pytest.raises(InvalidRequest) as caught:
        read(seed=seed)
    assert caught.value.field == "seed"


def test_a_ratio_is_a_size():
    """It becomes a size in pixels."""
    assert read(size="16:9").request.output_size is not None


def test_a_model_is_passed_on_and_other_fields_are_named():
    """Only names of fields are repeated, never their values."""
    given = read(model="qwen-image-2.0", n=2, watermark=False)
    assert (given.model, given.ignored) == ("qwen-image-2.0", ["n", "watermark"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"model": 3}, "model"),
        ({"size": "3K"}, "size"),
        ({"size": 1024}, "size"),
    ],
)
def test_what_has_no_clear_meaning_is_rejected(fields: dict[str, object], field: str):
    """The error names the field."""
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.field == field
