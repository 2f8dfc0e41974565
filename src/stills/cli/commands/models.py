"""`stills models`: the model table, and which of its models the service lists."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from stills.app import Stills
from stills.cli.text import as_json, printable
from stills.config import read_config
from stills.contract.models import Model, Prices
from stills.contract.money import format_usd
from stills.service.records import model_record

_MEGA = 1_000_000
_UNKNOWN = "unknown"


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    config = read_config()
    served = asyncio.run(_list_served(sandbox=options.sandbox)) if options.check else None
    if options.json:
        for model in config.models.values():
            record = model_record(model) | {"is_default": model.id == config.model}
            print(as_json(record if served is None else record | {"is_served": model.id in served}))
    else:
        print(table(config.models, config.model, served))
    if served is not None:
        for line in _remarks(config.models, served):
            print(printable(line), file=sys.stderr)
    return 0


def table(models: Mapping[str, Model], default: str, served: AbstractSet[str] | None) -> str:
    """Format the table; `served` are the ids that the service lists, None if it was not asked."""
    head = ("model", "sizes", "prompt", "images", "references", "rate", "price", "served", "")
    rows = [head, *(_row(model, default, served) for model in models.values())]
    columns = [number for number, _ in enumerate(head) if any(row[number] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in columns}
    lines = ("  ".join(row[column].ljust(widths[column]) for column in columns) for row in rows)
    return "\n".join(printable(line).rstrip() for line in lines)


def _row(model: Model, default: str, served: AbstractSet[str] | None) -> tuple[str, ...]:
    return (
        model.id,
        _sizes(model),
        f"{model.prompt_max_tokens} tokens" if model.prompt_max_tokens else _UNKNOWN,
        f"{model.images_per_call_max} per call",
        str(model.reference_images_max or "no"),
        f"{model.requests_per_minute:g}/min" if model.requests_per_minute else _UNKNOWN,
        _price(model),
        "" if served is None else "yes" if model.id in served else "not listed",
        _remark(model, default),
    )


async def _list_served(*, sandbox: bool) -> AbstractSet[str]:
    async with Stills.from_env(sandbox=sandbox) as stills:
        return await stills.models.list_served()


def _sizes(model: Model) -> str:
    if model.native_sizes:
        return f"{len(model.native_sizes)} sizes"
    least, most = model.pixels_min / _MEGA, model.pixels_max / _MEGA
    return f"any, {least:.2g} to {most:.3g} MP"


def _price(model: Model) -> str:
    cny = "" if model.image_cny is None else f" ({model.image_cny:g} CNY)"
    if model.prices is None:
        return _UNKNOWN + cny
    each = model.prices.input_image_usd
    return _image_prices(model.prices) + (f" + {each:g} per reference" if each else "") + cny


def _image_prices(prices: Prices) -> str:
    *smaller, (_, largest_usd) = prices.images
    if not smaller:
        return format_usd(largest_usd)
    parts = [f"{format_usd(usd)} up to {(most or 0) / _MEGA:g} MP" for most, usd in smaller]
    return f"{', '.join(parts)}, else {format_usd(largest_usd)}"


def _remark(model: Model, default: str) -> str:
    remarks = ["default"] if model.id == default else []
    if model.retired_on:
        successor = f"; use {model.successor}" if model.successor else ""
        remarks.append(f"retired on {model.retired_on}{successor}")
    return ", ".join(remarks)


def _remarks(models: Mapping[str, Model], served: AbstractSet[str]) -> list[str]:
    others = sorted(one for one in served - models.keys() if one.startswith("qwen-image"))
    if not others:
        return []
    how = "To use them, describe them in a file and set STILLS_MODELS"
    return [f"The service also lists {', '.join(others)}. {how}."]
