"""`stills list` and `stills show`: the stored images."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from stills.app import Stills
from stills.cli.commands.generate import readable_url
from stills.cli.commands.spend import read_since
from stills.cli.places import catalog_place
from stills.cli.text import as_json, printable
from stills.config import read_config
from stills.contract.errors import InvalidRequest
from stills.contract.generation import Image
from stills.contract.image_address import web_image_url
from stills.contract.search import ImageSearch
from stills.library import ImageDetails
from stills.service.records import image_record, send_record

_PROMPT_COLUMNS = 60
_LIMIT_MAX = 1_000_000_000
_PAGE = 500
_EMPTY = (None, "")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.command == "show":
        return asyncio.run(_show(options.id, is_json=options.json))
    if not 1 <= options.limit <= _LIMIT_MAX:
        raise InvalidRequest(
            "--limit is out of range", field="limit", action=f"Use 1 to {_LIMIT_MAX}."
        )
    return asyncio.run(_list(options))


def line(image: Image) -> str:
    """Return one line about an image."""
    spec = image.generation.spec
    prompt = " ".join(spec.prompt.split())
    if len(prompt) > _PROMPT_COLUMNS:
        prompt = prompt[: _PROMPT_COLUMNS - 1] + "…"
    return printable(
        f"{image.rendition.id:<22}  {_time(image.generation.created_at)}  {spec.provider:<9}  "
        f"{spec.model}  {image.rendition.size!s:>9}  {prompt}"
    )


def describe(shown: ImageDetails) -> str:
    """Return what is known of an image, one value per line."""
    image = shown.image
    spec, rendition = image.generation.spec, image.rendition
    values = {
        "id": rendition.id,
        "provider": spec.provider,
        "model": spec.model,
        "prompt": spec.prompt,
        "style": spec.style,
        "negative prompt": spec.negative_prompt,
        "prompt extend": spec.prompt_extend_mode if spec.prompt_extend else "off",
        "thinking": {None: None, True: "on", False: "off"}[spec.enable_thinking],
        "size": str(rendition.size),
        "native size": str(spec.native_size),
        "seed": spec.seed,
        "price usd": "unknown" if spec.price_usd is None else spec.price_usd,
        "bytes": rendition.byte_count,
        "sha256": rendition.sha256,
        "created": _time(image.generation.created_at),
        "image": readable_url(shown.image_url),
        "notes": " ".join(image.generation.notes),
    }
    lines = [f"{name + ':':<16} {value}" for name, value in values.items() if value not in _EMPTY]
    lines += [
        f"{f'reference {number}:':<16} {one.shown or 'name unknown'}, digest {one.digest}"
        for number, one in enumerate(spec.references, start=1)
    ]
    lines += [
        f"{'API call:':<16} {_time(send.sent_at)} {send.code}, {send.billing.value}"
        + (f", request id {send.request_id}" if send.request_id else "")
        for send in shown.sends
    ]
    return "\n".join(map(printable, lines))


async def _list(options: argparse.Namespace) -> int:
    search = ImageSearch(
        " ".join(options.words) or None,
        model=options.model,
        style=options.style,
        seed=options.seed,
    )
    async with Stills.from_catalog() as stills:
        images = await _find(stills, search, options.limit, since=read_since(options.since))
        links = await stills.images.links(images)
    config = read_config()
    if not images and not options.json:
        anything = search == ImageSearch() and options.since is None
        none = f"no images are stored yet in {catalog_place(config)}"
        print(printable(none) if anything else "no image matches", file=sys.stderr)
    for image, link in zip(images, links, strict=True):
        if options.json:
            print(as_json(_record(image, link, config.public_url)))
        elif options.paths:
            print(readable_url(link))
        else:
            print(line(image))
    return 0


async def _find(
    stills: Stills, search: ImageSearch, limit: int, *, since: float
) -> Sequence[Image]:
    """Return the newest images that match, and were generated since then."""
    found: list[Image] = []
    cursor = None
    while len(found) < limit:
        page = await stills.images.search(
            search, limit=min(limit - len(found), _PAGE), cursor=cursor
        )
        new = [image for image in page.images if image.generation.created_at >= since]
        found += new
        cursor = page.next_cursor
        if cursor is None or len(new) < len(page.images):
            break
    return found


async def _show(prefix: str, *, is_json: bool) -> int:
    async with Stills.from_catalog() as stills:
        shown = await stills.images.show(prefix)
    sends = [send_record(send) for send in shown.sends]
    record = _record(shown.image, shown.image_url, read_config().public_url) | {"sends": sends}
    print(as_json(record) if is_json else describe(shown))
    return 0


def _record(image: Image, link: str, public_url: str | None) -> dict[str, Any]:
    return image_record(image, web_image_url(link, image.rendition.id, public_url))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
