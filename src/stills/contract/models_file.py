"""The user's own models: a TOML file whose tables add models, or correct what is known of one.

It is there because models, prices and limits change more often than Stills is released.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from stills.contract.errors import ConfigError, InvalidRequest
from stills.contract.models import Model, Prices
from stills.contract.money import DECIMALS, PRICE_MAX_USD
from stills.contract.size import Size, parse_size

UNKNOWN = "unknown"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PRICE = f'a price such as 0.035, with at most {DECIMALS} decimals, or "{UNKNOWN}"'
_PRICES_BY_AREA = "[{ pixels_max = 2250000, usd = 0.04 }, { usd = 0.075 }]"
# What a new model does not take over from the one it is like, because a wrong one costs money.
_OWN_FACTS: Mapping[str, Any] = {
    "prices": None,
    "image_cny": None,
    "requests_per_minute": None,
    "retired_on": None,
    "successor": None,
}


def read_models_file(path: Path, known: Mapping[str, Model], *, name: str) -> Mapping[str, Model]:
    """Read a file, and return the known models with its changes; `name` is for errors.

    Raises:
        ConfigError: the file can't be read, or a table in it is not valid.
    """
    import tomllib  # noqa: PLC0415 - only if there is such a file

    try:
        with path.open("rb") as file:
            tables = tomllib.load(file, parse_float=Decimal)
        written_on = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    except OSError as error:
        raise ConfigError(
            f"{name}: {path} can't be read: {error.strerror}",
            field=name,
            action="Set it to a TOML file of models, or unset it.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name}: {path} is not TOML: {error}", field=name, action="Fix the file."
        ) from None
    models = dict(known)
    for model_id, table in tables.items():
        try:
            models[model_id] = _read_model(model_id, table, models, path.name, written_on)
        except _Invalid as error:
            raise ConfigError(
                f"{name}: {path}: [{model_id!r:.60}]: {error}", field=name, action=error.fix
            ) from None
    for model_id in tables:
        successor = models[model_id].successor
        if successor is not None and successor not in models:
            raise ConfigError(
                f"{name}: {path}: [{model_id!r:.60}]: successor is {successor[:60]!r}, which is "
                "not in the model table",
                field=name,
                action="Use an exact id, or add a table for it.",
            )
    return models


class _Invalid(Exception):
    """What is wrong with a table, and how to fix it."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


class _Unusable(Exception):
    """A value of a key is not of the kind that the key needs."""


def _read_model(
    model_id: str, table: object, models: Mapping[str, Model], file: str, written_on: date
) -> Model:
    if not isinstance(table, dict):
        raise _Invalid("is not a table", f'Start a table with ["{model_id}"].')
    if _ID.fullmatch(model_id) is None:
        raise _Invalid("is not a model id", "Use letters, digits, dots, hyphens and underscores.")
    given = dict(table)
    for key, value in given.items():
        if key not in KEYS:
            quote = f'Quote ids that have a dot: ["{model_id}.{key[:40]}"].'
            fix = quote if isinstance(value, dict) else f"The keys are {', '.join(KEYS)}."
            raise _Invalid(f"unknown key {key[:40]!r}", fix)
    base = _base(model_id, given, models)
    is_new = base.id != model_id
    base = replace(
        base,
        id=model_id,
        source=file if is_new else f"{base.source}; corrected in {file}",
        checked_on=written_on,
        like=(base.like or base.id) if is_new else base.like,
        **(_OWN_FACTS if is_new else {}),
    )
    changes = _read_prices(given, base)
    for key, value in given.items():
        name, read, expected = _KEYS[key]
        try:
            changes[name] = read(value)
        except (_Unusable, InvalidRequest):
            raise _Invalid(f"{key} is {_shown(value)}", f"Set it to {expected}.") from None
    return _check(replace(base, **changes))


def _base(model_id: str, given: dict[str, Any], models: Mapping[str, Model]) -> Model:
    """Return the model that a table starts from, and remove `like` from the table."""
    like = given.pop("like", None)
    if model_id in models:
        if like is not None:
            raise _Invalid("like has no effect on a known model", "Remove it.")
        return models[model_id]
    if like is None:
        raise _Invalid(
            "the model is new, and like is missing",
            'Add the known model whose rules it has, such as like = "qwen-image-2.0".',
        )
    if not isinstance(like, str) or like not in models:
        raise _Invalid(
            f"like is {_shown(like)}, which is not in the model table",
            f"Use one of {', '.join(models)}.",
        )
    return models[like]


def _read_prices(given: dict[str, Any], base: Model) -> dict[str, Any]:
    """Return the prices that a table changes, and remove them from the table."""
    if not {"image_usd", "input_image_usd"} & given.keys():
        return {}
    images = base.prices.images if base.prices else None
    if "image_usd" in given:
        value = given.pop("image_usd")
        try:
            images = _images_usd(value)
        except _Unusable:
            raise _Invalid(
                f"image_usd is {_shown(value)}",
                f"Set it to {_PRICE}, or to prices by area, smallest first: {_PRICES_BY_AREA}.",
            ) from None
    input_image_usd = base.prices.input_image_usd if base.prices else 0.0
    if "input_image_usd" in given:
        value = given.pop("input_image_usd")
        try:
            input_image_usd = _usd(value)
        except _Unusable:
            fix = f"Set it to a price such as 0.003, with at most {DECIMALS} decimals."
            raise _Invalid(f"input_image_usd is {_shown(value)}", fix) from None
        if images is None:
            raise _Invalid(
                "input_image_usd without image_usd", "Add image_usd, the price of an image."
            )
    return {"prices": None if images is None else Prices(images, input_image_usd)}


def _check(model: Model) -> Model:
    if model.pixels_min > model.pixels_max:
        raise _Invalid(
            f"pixels_min is {model.pixels_min}, above pixels_max, {model.pixels_max}",
            "Set both, the smaller one as pixels_min.",
        )
    return model


def _images_usd(value: object) -> tuple[tuple[int | None, float], ...] | None:
    if value == UNKNOWN:
        return None
    if not isinstance(value, list):
        return ((None, _usd(value)),)
    images: list[tuple[int | None, float]] = []
    for number, one in enumerate(value, 1):
        if not isinstance(one, dict) or one.keys() - {"pixels_max"} != {"usd"}:
            raise _Unusable
        # The last price has no largest area, so that every image has a price.
        if ("pixels_max" in one) is (number == len(value)):
            raise _Unusable
        most = _whole(one["pixels_max"]) if "pixels_max" in one else None
        if images and most is not None and most <= (images[-1][0] or 0):
            raise _Unusable
        images.append((most, _usd(one["usd"])))
    if not images:
        raise _Unusable
    return tuple(images)


def _usd(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _Unusable
    usd = Decimal(value)
    if not usd.is_finite() or not 0 <= usd <= Decimal(PRICE_MAX_USD):
        raise _Unusable
    if usd.scaleb(DECIMALS) % 1:
        raise _Unusable
    return float(usd)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**9:
        raise _Unusable
    return value


def _whole_or_zero(value: object) -> int:
    return 0 if value == 0 and type(value) is int else _whole(value)


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _Unusable
    if not Decimal(value).is_finite() or not 0 < value <= 10**6:
        raise _Unusable
    return float(value)


def _ratio(value: object) -> float:
    ratio = _positive(value)
    if ratio < 1:
        raise _Unusable
    return ratio


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Unusable
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _Unusable
    return value.strip()


def _day(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _Unusable
    return value


def _sizes(value: object) -> tuple[Size, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _Unusable
    return tuple(map(parse_size, value))


def _or_unknown(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value == UNKNOWN else read(value)


def _shown(value: object) -> str:
    written = str(value) if isinstance(value, Decimal | date) else repr(value)
    return written if len(written) <= 60 else f"{written[:59]}…"  # noqa: PLR2004 - for one line


_TRUTH = "true or false"
_KEYS: Mapping[str, tuple[str, Callable[[object], Any], str]] = {
    "sizes": ("native_sizes", _sizes, 'sizes such as ["1664*928"], or [] for any size'),
    "pixels_min": ("pixels_min", _whole, "a whole number above 0"),
    "pixels_max": ("pixels_max", _whole, "a whole number above 0"),
    "sides_ratio_max": ("sides_ratio_max", _ratio, "a number of at least 1"),
    "prompt_max_tokens": (
        "prompt_max_tokens",
        _or_unknown(_whole),
        f'a whole number above 0, or "{UNKNOWN}"',
    ),
    "negative_prompt_max_characters": (
        "negative_prompt_max_characters",
        _whole,
        "a whole number above 0",
    ),
    "reference_images_max": ("reference_images_max", _whole_or_zero, "a whole number"),
    "images_per_call_max": ("images_per_call_max", _whole, "a whole number above 0"),
    "has_transparency": ("has_transparency", _boolean, _TRUTH),
    "has_thinking": ("has_thinking", _boolean, _TRUTH),
    "has_tasks": ("has_tasks", _boolean, _TRUTH),
    "image_cny": ("image_cny", _or_unknown(_usd), _PRICE),
    "requests_per_minute": (
        "requests_per_minute",
        _or_unknown(_positive),
        f'a number above 0, or "{UNKNOWN}"',
    ),
    "retired_on": ("retired_on", _or_unknown(_day), f'a date such as 2026-10-10, or "{UNKNOWN}"'),
    "successor": ("successor", _or_unknown(_text), f'a model id, or "{UNKNOWN}"'),
    "source": ("source", _text, "text: where you read it"),
    "checked_on": ("checked_on", _day, "a date such as 2026-11-26"),
}
"""Each key: the field of Model, how its value is read, and what a value must be."""

KEYS = ("like", "image_usd", "input_image_usd", *_KEYS)
"""Every key that a table may have."""
