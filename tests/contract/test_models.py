"""The model table."""

import pytest

from stills.contract.errors import UnknownModel
from stills.contract.models import DEFAULT_MODEL, MODELS, find_model
from stills.contract.size import Size


def test_the_default_is_exactly_qwen_image_max():
    """The contract names the model, so the default is that id and no other."""
    assert DEFAULT_MODEL == "qwen-image-max"
    assert find_model(DEFAULT_MODEL).id == "qwen-image-max"


@pytest.mark.parametrize("model_id", MODELS)
def test_an_exact_id_is_found(model_id):
    """Every id of the table finds itself."""
    assert find_model(model_id).id == model_id


@pytest.mark.parametrize(
    "model_id",
    [
        "qwen-image-max-2025-12-30",
        "qwen_image_max",
        "qwen-image-max ",
        "Qwen-Image-Max",
        "qwen-image",
        "wanx",
        "",
        "x" * 5000,
    ],
    ids=range(8),
)
def test_anything_but_an_exact_id_is_unknown(model_id):
    """No alias, no date suffix, no silent swap: the error lists the ids there are."""
    with pytest.raises(UnknownModel) as caught:
        find_model(model_id)
    assert caught.value.field == "model"
    assert all(known in caught.value.action for known in MODELS)
    assert len(caught.value.message) < 200


def test_a_near_miss_is_told_what_was_meant():
    """A suffix or an underscore too many is answered with the exact id."""
    for model_id in ("qwen-image-max-2025-12-30", "qwen_image_max"):
        with pytest.raises(UnknownModel) as caught:
            find_model(model_id)
        assert caught.value.action.startswith("Did you mean qwen-image-max? ")


@pytest.mark.parametrize("model", MODELS.values(), ids=str)
def test_a_row_of_the_table_is_sound(model):
    """Limits are in order, native sizes lie within them, and a source is named."""
    assert 0 < model.pixels_min <= model.pixels_max
    assert all(model.pixels_min <= size.pixels <= model.pixels_max for size in model.native_sizes)
    assert model.price_usd is None or model.price_usd > 0
    assert model.source
    assert model.successor is None or model.successor in MODELS


def test_qwen_image_max_makes_five_sizes():
    """The sizes of the service's own reference."""
    assert set(find_model("qwen-image-max").native_sizes) == {
        Size(1664, 928),
        Size(1472, 1104),
        Size(1328, 1328),
        Size(1104, 1472),
        Size(928, 1664),
    }
