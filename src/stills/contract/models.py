"""The model table: sizes, limits and price of each model, with their source."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from stills.contract.errors import UnknownModel
from stills.contract.money import to_nano_usd, to_usd
from stills.contract.size import Size

DEFAULT_MODEL = "qwen-image-max"
SEED_MAX = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in USD.

    `images` has the price of one image by its area: pairs of the largest number of pixels (None: no
    limit) and the price, smallest first. `input_image_usd` is added for each reference image.
    """

    images: tuple[tuple[int | None, float], ...]
    input_image_usd: float = 0.0

    def image_usd(self, size: Size, input_images: int = 0) -> float | None:
        """Return the price of one image of this size, made with this number of reference images.

        None if no price covers an image so large.
        """
        fitting = (usd for most, usd in self.images if most is None or size.pixels <= most)
        usd = next(fitting, None)
        if usd is None:
            return None
        return to_usd(to_nano_usd(usd) + input_images * to_nano_usd(self.input_image_usd))


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the service.

    `native_sizes` lists the only sizes it makes; if it is empty, the model makes any size from
    `pixels_min` to `pixels_max` pixels whose sides differ by a factor of at most `sides_ratio_max`.
    `prompt_max_tokens` counts tokens of Qwen's tokenizer. `has_transparency` says whether it can
    make a transparent background, `has_thinking` whether it takes `prompt_extend_mode` and
    `enable_thinking`, `has_tasks` whether it has the asynchronous API. `requests_per_minute` is the
    default limit of an account. `prices` are the list prices of the international regions, and
    `image_cny` is the list price of an image in Beijing. None means unknown. `like` is the model of
    Stills' own table that a model of the user's starts from.
    """

    id: str
    native_sizes: tuple[Size, ...]
    pixels_min: int
    pixels_max: int
    sides_ratio_max: float
    prompt_max_tokens: int | None
    negative_prompt_max_characters: int
    reference_images_max: int
    images_per_call_max: int
    has_transparency: bool
    has_thinking: bool
    has_tasks: bool
    prices: Prices | None
    image_cny: float | None
    requests_per_minute: float | None
    retired_on: date | None
    successor: str | None
    source: str
    checked_on: date
    like: str | None = None

    def image_usd(self, size: Size, input_images: int = 0) -> float | None:
        """Return the price of one image requested in `size` with this number of references.

        None if unknown.
        """
        return None if self.prices is None else self.prices.image_usd(size, input_images)

    def with_price(self, image_usd: float | None) -> "Model":
        """Return the model with one price for every image; None keeps its list prices."""
        if image_usd is None:
            return self
        return replace(self, prices=Prices(((None, image_usd),)))

    @property
    def default_size(self) -> Size:
        """The size that it makes if none is requested."""
        if self.native_sizes:
            return self.native_sizes[0]
        side = math.isqrt(self.pixels_max)
        return Size(side, side)

    @property
    def retirement(self) -> str:
        """What notices say of its retirement, as a phrase after its id; empty if they don't."""
        if self.retired_on is None:
            return ""
        successor = f"; its successor is {self.successor}" if self.successor else ""
        return f"was retired on {self.retired_on}, according to notices{successor}"


# "Official" means Alibaba's own pages or copies of them, "second-hand" what others report.
_OFFICIAL = "Alibaba Cloud Model Studio: API reference of qwen-image, rate limits, prices"
_SOURCE_2_0 = f"{_OFFICIAL}; the range of aspect ratios as of qwen-image-3.0"
_SOURCE_2_0_DATED = f"{_SOURCE_2_0}; limits and prices as of the id without a date"
_CHECKED_ON = date(2026, 11, 26)
_FREE_PIXELS_MIN = 512 * 512
_FREE_PIXELS_MAX = 2048 * 2048
_1K_PIXELS_MAX = 2_250_000


def _free_size_model(
    model_id: str,
    *,
    source: str,
    prompt_max_tokens: int | None,
    reference_images_max: int = 3,
    images_per_call_max: int = 6,
    has_transparency: bool = False,
    is_third_generation: bool = False,
    prices: Prices | None = None,
    image_cny: float | None = None,
    requests_per_minute: float | None = None,
) -> Model:
    return Model(
        id=model_id,
        native_sizes=(),
        pixels_min=_FREE_PIXELS_MIN,
        pixels_max=_FREE_PIXELS_MAX,
        sides_ratio_max=8.0,
        prompt_max_tokens=prompt_max_tokens,
        negative_prompt_max_characters=500,
        reference_images_max=reference_images_max,
        images_per_call_max=images_per_call_max,
        has_transparency=has_transparency,
        has_thinking=is_third_generation,
        has_tasks=is_third_generation,
        prices=prices,
        image_cny=image_cny,
        requests_per_minute=requests_per_minute,
        retired_on=None,
        successor=None,
        source=source,
        checked_on=_CHECKED_ON,
    )


def _version_2_0(model_id: str, *, source: str) -> Model:
    return _free_size_model(
        model_id,
        prompt_max_tokens=1300,
        prices=Prices(((None, 0.035),)),
        image_cny=0.2,
        requests_per_minute=120.0,
        source=source,
    )


def _version_2_0_pro(model_id: str, *, source: str) -> Model:
    return _free_size_model(
        model_id,
        prompt_max_tokens=1300,
        prices=Prices(((None, 0.075),)),
        image_cny=0.5,
        requests_per_minute=2.0,
        source=source,
    )


def _version_2_1(model_id: str, *, source: str) -> Model:
    return _free_size_model(
        model_id,
        prompt_max_tokens=None,
        reference_images_max=10,
        images_per_call_max=1,
        has_transparency=True,
        source=source,
    )


MODELS: Mapping[str, Model] = {
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
            sides_ratio_max=1664 / 928,
            prompt_max_tokens=800,
            negative_prompt_max_characters=500,
            reference_images_max=0,
            images_per_call_max=1,
            has_transparency=False,
            has_thinking=False,
            has_tasks=False,
            prices=Prices(((None, 0.075),)),
            image_cny=0.5,
            requests_per_minute=2.0,
            retired_on=date(2026, 10, 10),
            successor="qwen-image-2.0",
            source=f"{_OFFICIAL}; retirement second-hand",
            checked_on=_CHECKED_ON,
        ),
        _version_2_0("qwen-image-2.0", source=_SOURCE_2_0),
        _version_2_0("qwen-image-2.0-2026-03-03", source=_SOURCE_2_0_DATED),
        _version_2_0_pro("qwen-image-2.0-pro", source=_SOURCE_2_0),
        _version_2_0_pro("qwen-image-2.0-pro-2026-04-22", source=_SOURCE_2_0_DATED),
        _version_2_0_pro("qwen-image-2.0-pro-2026-06-22", source=_SOURCE_2_0_DATED),
        _version_2_1(
            "qwen-image-2.1-turbo",
            source="sizes second-hand; references as qwen-image-2.1-pro; "
            "one image per call until more is known",
        ),
        _version_2_1(
            "qwen-image-2.1-pro",
            source="references official (API reference); sizes second-hand; "
            "one image per call until more is known",
        ),
        _free_size_model(
            "qwen-image-3.0",
            prompt_max_tokens=4500,
            is_third_generation=True,
            prices=Prices(((None, 0.03),), input_image_usd=0.003),
            source="sizes, references and tokens (advised) official (API reference); "
            "prices second-hand",
        ),
        _free_size_model(
            "qwen-image-3.0-pro",
            prompt_max_tokens=4500,
            is_third_generation=True,
            prices=Prices(((_1K_PIXELS_MAX, 0.04), (None, 0.075)), input_image_usd=0.003),
            requests_per_minute=1.0,
            source="sizes, references, tokens (advised), rate limit and areas of prices official; "
            "amounts second-hand",
        ),
    )
}


def find_model(model_id: str, models: Mapping[str, Model] = MODELS) -> Model:
    """Find a model by its exact id, without alias or date suffix, by default in Stills' own table.

    Raises:
        UnknownModel: the table does not have this id.
    """
    written = str(model_id)  # a Python caller may pass any type
    if written == model_id and written in models:
        return models[written]
    from difflib import get_close_matches  # noqa: PLC0415 - only to explain an error

    near = get_close_matches(written[:60], models, n=1, cutoff=0.5)
    is_served = bool(near) and models[near[0]].retired_on is None
    suggestion = f"Did you mean {near[0]}? " if is_served else ""
    raise UnknownModel(
        f"model {written[:60]!r} is not in the model table",
        field="model",
        action=f"{suggestion}Use an exact id: {list_ids(models)}.",
    )


def list_ids(models: Mapping[str, Model]) -> str:
    """List the ids for an error; retired ones are marked."""
    return ", ".join(
        f"{model.id} (retired)" if model.retired_on else model.id for model in models.values()
    )
