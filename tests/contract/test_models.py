"""The model table."""

from datetime import date

import pytest

from stills.contract.errors import UnknownModel
from stills.contract.models import DEFAULT_MODEL, MODELS, Prices, find_model
from stills.contract.size import Size


def test_the_default_is_exactly_qwen_image_max():
    """The contract names this model."""
    assert DEFAULT_MODEL == "qwen-image-max"
    assert find_model(DEFAULT_MODEL).id == "qwen-image-max"


@pytest.mark.parametrize("model_id", MODELS)
def test_an_exact_id_is_found(model_id):
    """Every id of the table is found."""
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
    """There is no alias, date suffix or fallback: the error lists all ids."""
    with pytest.raises(UnknownModel) as caught:
        find_model(model_id)
    assert caught.value.field == "model"
    assert all(known in caught.value.action for known in MODELS)
    assert len(caught.value.message) < 200


def test_a_similar_id_is_suggested():
    """An extra suffix or underscore leads to the exact id."""
    for model_id in ("qwen-image-2.1-turbo-2026", "qwen_image_2.1_turbo"):
        with pytest.raises(UnknownModel) as caught:
            find_model(model_id)
        assert caught.value.action.startswith("Did you mean qwen-image-2.1-turbo? ")


def test_a_retired_id_is_never_suggested():
    """Calls to it fail; in the list of ids it is marked."""
    for model_id in ("qwen-image-max-2025-12-30", "qwen_image_max", "qwen-image-maxx"):
        with pytest.raises(UnknownModel) as caught:
            find_model(model_id)
        assert "Did you mean" not in caught.value.action
        assert "qwen-image-max (retired), qwen-image-2.0, " in caught.value.action


@pytest.mark.parametrize("model", MODELS.values(), ids=str)
def test_each_row_of_the_table_is_consistent(model):
    """Limits are in order, native sizes are within them, and a source is named."""
    assert 0 < model.pixels_min <= model.pixels_max
    assert all(model.pixels_min <= size.pixels <= model.pixels_max for size in model.native_sizes)
    price_usd = model.image_usd(Size(1024, 1024))
    assert price_usd is None or price_usd > 0
    assert model.source
    assert model.successor is None or model.successor in MODELS


def test_qwen_image_max_makes_five_sizes():
    """They are those of the service's API reference."""
    assert set(find_model("qwen-image-max").native_sizes) == {
        Size(1664, 928),
        Size(1472, 1104),
        Size(1328, 1328),
        Size(1104, 1472),
        Size(928, 1664),
    }


@pytest.mark.parametrize(
    ("size", "references", "usd"),
    [
        (Size(1500, 1500), 0, 0.04),  # 2,250,000 pixels are still 1K
        (Size(1501, 1500), 0, 0.075),
        (Size(1024, 1024), 1, 0.043),
        (Size(2048, 2048), 3, 0.084),
    ],
)
def test_a_price_follows_area_and_references(size: Size, references: int, usd: float):
    """Qwen-image-3.0-pro has two tiers of area, and each input image costs extra."""
    assert find_model("qwen-image-3.0-pro").image_usd(size, references) == usd


def test_a_given_price_replaces_the_list_prices():
    """It is the same for every image, and makes an unknown price known."""
    for model_id in ("qwen-image-3.0-pro", "qwen-image-2.1-pro"):
        model = find_model(model_id).with_price(0.05)
        assert model.image_usd(Size(2048, 2048), 3) == model.image_usd(Size(512, 512)) == 0.05
    assert find_model("qwen-image-max").with_price(None).image_usd(Size(1328, 1328)) == 0.075


def test_a_size_beyond_the_last_price_has_an_unknown_price():
    """It is not free."""
    prices = Prices(((1_000_000, 0.01),))
    assert prices.image_usd(Size(1000, 1000)) == 0.01
    assert prices.image_usd(Size(1001, 1000)) is None


@pytest.mark.parametrize(
    ("model_id", "tokens", "references", "images", "per_minute", "cny"),
    [
        ("qwen-image-max", 800, 0, 1, 2, 0.5),
        ("qwen-image-2.0", 1300, 3, 6, 120, 0.2),
        ("qwen-image-2.0-2026-03-03", 1300, 3, 6, 120, 0.2),
        ("qwen-image-2.0-pro", 1300, 3, 6, 2, 0.5),
        ("qwen-image-2.0-pro-2026-04-22", 1300, 3, 6, 2, 0.5),
        ("qwen-image-2.0-pro-2026-06-22", 1300, 3, 6, 2, 0.5),
        ("qwen-image-2.1-turbo", None, 10, 1, None, None),
        ("qwen-image-2.1-pro", None, 10, 1, None, None),
        ("qwen-image-3.0", 4500, 3, 6, None, None),
        ("qwen-image-3.0-pro", 4500, 3, 6, 1, None),
    ],
)
def test_the_limits_are_those_of_the_service(
    model_id: str,
    tokens: int | None,
    references: int,
    images: int,
    per_minute: float | None,
    cny: float | None,
):
    """As Alibaba's pages had them on 2026-11-26; None is unknown."""
    model = find_model(model_id)
    assert (model.prompt_max_tokens, model.reference_images_max) == (tokens, references)
    assert (model.images_per_call_max, model.requests_per_minute) == (images, per_minute)
    assert (model.image_cny, model.checked_on) == (cny, date(2026, 11, 26))
    is_3_0 = model_id.startswith("qwen-image-3.0")
    assert (model.has_tasks, model.has_thinking) == (is_3_0, is_3_0)
    assert model.has_transparency is model_id.startswith("qwen-image-2.1")
