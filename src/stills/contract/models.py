"""The model table: sizes, limits and price of each model, with their source."""

from dataclasses import dataclass
from datetime import date

from stills.contract.errors import UnknownModel
from stills.contract.size import Size

DEFAULT_MODEL = "qwen-image-max"
SEED_MAX = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the service.

    `native_sizes` lists the only sizes it makes; if it is empty, the model makes any size from
    `pixels_min` to `pixels_max` pixels. `price_usd` is the list price of one image, and
    `requests_per_minute` the default limit of an account; either is None if unknown.
    """

    id: str
    native_sizes: tuple[Size, ...]
    pixels_min: int
    pixels_max: int
    prompt_max_characters: int
    negative_prompt_max_characters: int
    reference_images_max: int
    price_usd: float | None
    requests_per_minute: float | None
    retired_on: date | None
    successor: str | None
    source: str
    checked_on: date


_API_REFERENCE = "Alibaba Cloud Model Studio, Qwen text-to-image API reference"
_FREE_PIXELS_MIN = 512 * 512
_FREE_PIXELS_MAX = 2048 * 2048


def _free_size_model(model_id: str, *, price_usd: float | None, source: str) -> Model:
    return Model(
        id=model_id,
        native_sizes=(),
        pixels_min=_FREE_PIXELS_MIN,
        pixels_max=_FREE_PIXELS_MAX,
        prompt_max_characters=800,
        negative_prompt_max_characters=500,
        reference_images_max=3,
        price_usd=price_usd,
        requests_per_minute=None,
        retired_on=None,
        successor=None,
        source=source,
        checked_on=date(2026, 11, 22),
    )


MODELS: dict[str, Model] = {
    model.id: model
    for model in (
        Model(
            id="qwen-image-max",
            native_sizes=(
                Size(1664, 928),
                Size(1472, 1104),
                Size(1328, 1328),
                Size(1104, 1472),
                Size(928, 1664),
            ),
            pixels_min=928 * 1664,
            pixels_max=1328 * 1328,
            prompt_max_characters=800,
            negative_prompt_max_characters=500,
            reference_images_max=0,
            price_usd=0.075,
            requests_per_minute=2.0,
            retired_on=date(2026, 10, 10),
            successor="qwen-image-2.0",
            source=f"{_API_REFERENCE}; list price of Singapore; limit and retirement second-hand",
            checked_on=date(2026, 11, 22),
        ),
        _free_size_model(
            "qwen-image-2.0",
            price_usd=0.035,
            source=f"{_API_REFERENCE}; price second-hand, from resellers",
        ),
        _free_size_model(
            "qwen-image-2.0-pro",
            price_usd=0.075,
            source=f"{_API_REFERENCE}; price second-hand, from resellers",
        ),
        _free_size_model(
            "qwen-image-3.0", price_usd=None, source=f"{_API_REFERENCE}; price unknown"
        ),
        _free_size_model(
            "qwen-image-3.0-pro", price_usd=None, source=f"{_API_REFERENCE}; price unknown"
        ),
    )
}


def find_model(model_id: str) -> Model:
    """Find a model by its exact id, without alias or date suffix.

    Raises:
        UnknownModel: the table does not have this id.
    """
    written = str(model_id)  # a Python caller may pass any type
    if written == model_id and written in MODELS:
        return MODELS[written]
    from difflib import get_close_matches  # noqa: PLC0415 - only to explain an error

    near = get_close_matches(written[:60], MODELS, n=1, cutoff=0.5)
    suggestion = f"Did you mean {near[0]}? " if near else ""
    raise UnknownModel(
        f"model {written[:60]!r} is not in the model table",
        field="model",
        action=(f"{suggestion}Use an exact id, without alias or date suffix: {', '.join(MODELS)}."),
    )
