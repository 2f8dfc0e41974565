"""`stills list` and `stills show`: what is kept, and what it cost."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from stills.app import ImageDetails, Stills
from stills.cli.commands.generate import readable_url
from stills.cli.text import as_json, printable
from stills.contract.errors import InvalidRequest
from stills.contract.generation import Image

_PROMPT_COLUMNS = 60
_LIMIT_MAX = 1_000_000_000


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    if options.command == "show":
        shown = asyncio.run(_show(options.id))
        print(_as_json(shown.image, shown) if options.json else describe(shown))
        return 0
    if not 1 <= options.limit <= _LIMIT_MAX:
        raise InvalidRequest(
            "--limit is out of range", field="limit", action=f"Ask for 1 to {_LIMIT_MAX}."
        )
    images = asyncio.run(_list(options.limit))
    if not images and not options.json:
        print("nothing is kept yet", file=sys.stderr)
    for image in images:
        print(_as_json(image) if options.json else line(image))
    return 0


def line(image: Image) -> str:
    """Tell of an image in one line of a list."""
    spec = image.generation.spec
    prompt = " ".join(image.generation.spec.prompt.split())
    if len(prompt) > _PROMPT_COLUMNS:
        prompt = prompt[: _PROMPT_COLUMNS - 1] + "…"
    return printable(
        f"{image.rendition.id:<22}  {_time(image.generation.created_at)}  {spec.provider:<9}  "
        f"{spec.model}  {image.rendition.size!s:>9}  {prompt}"
    )


def describe(shown: ImageDetails) -> str:
    """Tell of an image, one fact a line."""
    facts = _facts(shown.image) | {
        "image": readable_url(shown.image_url),
        "notes": " ".join(shown.image.generation.notes),
    }
    lines = [
        f"{name.replace('_', ' ') + ':':<16} {value}"
        for name, value in facts.items()
        if value not in (None, "")
    ]
    lines += [
        f"{'send:':<16} {_time(send.sent_at)} {send.code}, {send.billing.value}"
        + (f", request id {send.request_id}" if send.request_id else "")
        for send in shown.sends
    ]
    return "\n".join(map(printable, lines))


async def _list(limit: int) -> Sequence[Image]:
    async with Stills.from_catalog() as stills:
        return await stills.images.list(limit=limit)


async def _show(prefix: str) -> ImageDetails:
    async with Stills.from_catalog() as stills:
        return await stills.images.show(prefix)


def _facts(image: Image) -> dict[str, Any]:
    generation, rendition = image.generation, image.rendition
    spec = generation.spec
    return {
        "id": rendition.id,
        "provider": spec.provider,
        "model": spec.model,
        "prompt": image.generation.spec.prompt,
        "style": image.generation.spec.style,
        "negative_prompt": spec.negative_prompt,
        "size": str(rendition.size),
        "native_size": str(spec.native_size),
        "seed": spec.seed,
        "price_usd": spec.price_usd,
        "bytes": rendition.byte_count,
        "sha256": rendition.sha256,
        "created": _time(generation.created_at),
    }


def _as_json(image: Image, shown: ImageDetails | None = None) -> str:
    facts = _facts(image)
    if shown is not None:
        facts["image_url"] = shown.image_url
        facts["notes"] = list(image.generation.notes)
        facts["sends"] = [
            {
                "sent": _time(send.sent_at),
                "code": send.code,
                "billing": send.billing.value,
                "request_id": send.request_id,
            }
            for send in shown.sends
        ]
    return as_json(facts)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
