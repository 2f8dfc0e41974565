"""Conversion between the catalog's rows and the contract's records."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from stills.catalog.connection import Row
from stills.catalog.damaged_content import DamagedContent
from stills.contract.errors import Billing
from stills.contract.generation import (
    CatalogHit,
    Generation,
    GenerationSpec,
    Image,
    ProviderAnswer,
    ReferenceRecord,
    Rendition,
    Send,
    Stage,
    Task,
)
from stills.contract.money import to_nano_usd, to_usd
from stills.contract.size import Size

Arguments = ParamSpec("Arguments")
Record = TypeVar("Record")


def _checked(read: Callable[Arguments, Record]) -> Callable[Arguments, Record]:
    """Raise DamagedContent for a row that makes no sense."""

    @wraps(read)
    def read_row(*arguments: Arguments.args, **options: Arguments.kwargs) -> Record:
        try:
            return read(*arguments, **options)
        except (ValueError, TypeError, LookupError) as error:
            raise DamagedContent(f"malformed row: {error}") from error

    return read_row


def _spec_columns(spec: GenerationSpec) -> dict[str, Any]:
    """Return a spec as columns of `generations`."""
    return {
        "key": spec.key,
        "seeded_key": spec.seeded_key,
        "provider": spec.provider,
        "model": spec.model,
        "prompt": spec.prompt,
        "style": spec.style,
        "text": spec.text,
        "negative_prompt": spec.negative_prompt,
        "native_width": spec.native_size.width,
        "native_height": spec.native_size.height,
        "seed": spec.seed,
        "sent_references": json.dumps(
            [asdict(reference) for reference in spec.references], ensure_ascii=False
        ),
        "price_nano_usd": None if spec.price_usd is None else to_nano_usd(spec.price_usd),
        "prompt_extend": spec.prompt_extend,
        "prompt_extend_mode": spec.prompt_extend_mode,
        "enable_thinking": spec.enable_thinking,
    }


def generation_columns(generation: Generation, *, fresh_key: str | None = None) -> dict[str, Any]:
    """Return a new generation as columns of `generations`."""
    return {
        **_spec_columns(generation.spec),
        "id": generation.id,
        "created_at": generation.created_at,
        "notes": json.dumps(generation.notes, ensure_ascii=False),
        "fresh_key": fresh_key,
    }


@_checked
def read_generation(row: Row) -> Generation:
    """Read a row of `generations`."""
    answer = None
    if row["image_url"] is not None:
        answer = ProviderAnswer(row["image_url"], row["url_expires_at"], row["request_id"])
    task = None
    if row["task_id"] is not None:
        task = Task(row["task_id"], row["task_send"], row["task_image"])
    return Generation(
        id=row["id"],
        spec=GenerationSpec(
            key=row["key"],
            seeded_key=row["seeded_key"],
            provider=row["provider"],
            model=row["model"],
            prompt=row["prompt"],
            style=row["style"],
            text=row["text"],
            negative_prompt=row["negative_prompt"],
            native_size=Size(row["native_width"], row["native_height"]),
            seed=row["seed"],
            references=tuple(
                ReferenceRecord(**reference) for reference in json.loads(row["sent_references"])
            ),
            price_usd=_optional_usd(row["price_nano_usd"]),
            prompt_extend=bool(row["prompt_extend"]),
            prompt_extend_mode=row["prompt_extend_mode"],
            enable_thinking=_optional_bool(row["enable_thinking"]),
        ),
        stage=Stage(row["stage"]),
        created_at=row["created_at"],
        notes=tuple(json.loads(row["notes"])),
        task=task,
        answer=answer,
        sha256=row["sha256"],
        byte_count=row["byte_count"],
        object_path=row["object_path"],
        spool_url=row["spool_url"],
        spool_owner=row["spool_owner"],
    )


def rendition_columns(rendition: Rendition) -> dict[str, Any]:
    """Return a rendition as columns of `renditions`."""
    return {
        "generation_id": rendition.generation_id,
        "width": rendition.size.width,
        "height": rendition.size.height,
        "sha256": rendition.sha256,
        "byte_count": rendition.byte_count,
        "object_path": rendition.object_path,
    }


@_checked
def read_hit(row: Row, size: Size) -> CatalogHit:
    """Read a row of FIND."""
    rendition = None
    if row["rendition_object_path"] is not None:
        rendition = _read_rendition(row, size)
    return CatalogHit(read_generation(row), rendition)


@_checked
def read_image(row: Row) -> Image:
    """Read a row of LIST_IMAGES or SHOW_IMAGES."""
    return Image(
        rendition=_read_rendition(row, Size(row["width"], row["height"])),
        generation=read_generation(row),
    )


@_checked
def read_send(row: Row) -> Send:
    """Read a row of `sends`."""
    return Send(
        sent_at=row["sent_at"],
        settled_at=row["settled_at"],
        billing=Billing(row["billing"]),
        code=row["code"],
        request_id=row["request_id"],
        payer=row["payer"],
    )


def _read_rendition(row: Row, size: Size) -> Rendition:
    return Rendition(
        generation_id=row["id"],
        size=size,
        sha256=row["rendition_sha256"],
        byte_count=row["rendition_byte_count"],
        object_path=row["rendition_object_path"],
    )


def _optional_bool(flag: int | None) -> bool | None:
    return None if flag is None else bool(flag)


def _optional_usd(nano_usd: int | None) -> float | None:
    return None if nano_usd is None else to_usd(nano_usd)
