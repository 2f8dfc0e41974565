"""Sidecars: one JSON file per image in the store, enough to rebuild the catalog.

Each is `facts/<id>.json`, written before the image.
"""

import json
import re
from dataclasses import asdict
from typing import Any

from stills.contract.generation import (
    Generation,
    GenerationSpec,
    Inspection,
    ReferenceRecord,
    Stage,
)
from stills.contract.money import PRICE_MAX_USD
from stills.contract.ports.store import Store
from stills.contract.size import Size

SIDECAR_FOLDER = "facts"
_VERSION = 1
# A plain file name in the top folder, ending with the id: a sidecar may have been tampered with.
_PATH = re.compile(r"[^/\\:#?%\x00-\x1f\x7f-\x9f]*([0-9a-f]{12})\.png")
_NUMBER_MAX = 10**11  # a time far in the future, in seconds, which SQLite and datetime can hold


def sidecar_path(generation_id: str) -> str:
    """Return the path of a generation's sidecar in a store."""
    return f"{SIDECAR_FOLDER}/{generation_id}.json"


def write_sidecar(
    generation: Generation, inspection: Inspection, *, path: str, store_id: str | None = None
) -> bytes:
    """Return the sidecar of a generation whose image is, or will be, at `path`.

    `store_id` is the id of the store to which a spooled image belongs.
    """
    sidecar = {
        "version": _VERSION,
        "id": generation.id,
        "created_at": generation.created_at,
        "notes": generation.notes,
        "sha256": inspection.sha256,
        "byte_count": inspection.byte_count,
        "path": path,
        "draft": asdict(generation.spec),
    }
    if store_id is not None:
        sidecar["store"] = store_id
    if generation.is_imported:
        sidecar["imported"] = True
    return json.dumps(sidecar, ensure_ascii=False).encode()


def read_store_id(written: bytes) -> str | None:
    """Return the id of the store to which a valid sidecar's image belongs, if it has one."""
    store_id = json.loads(written).get("store")
    return store_id if isinstance(store_id, str) else None


def read_sidecar(written: bytes) -> Generation | None:
    """Return a sidecar's generation, as kept; None if the sidecar is not valid."""
    try:
        sidecar = json.loads(written)
        if sidecar["version"] != _VERSION:
            return None
        path = _text(sidecar["path"])
        generation_id = _text(sidecar["id"])
        name = _PATH.fullmatch(path)
        if name is None or name[1] != generation_id:
            return None
        return Generation(
            id=generation_id,
            spec=_read_spec(sidecar["draft"]),
            stage=Stage.KEPT,
            created_at=_number(sidecar["created_at"]),
            notes=tuple(_text(note) for note in sidecar["notes"]),
            sha256=_text(sidecar["sha256"]),
            byte_count=_whole_number(sidecar["byte_count"], least=1),
            object_path=path,
            is_imported=_switch(sidecar.get("imported", False)),
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


async def read_generation(store: Store, generation_id: str) -> Generation | None:
    """Read a generation's sidecar, as kept; None if it is not valid, or is another's.

    Raises:
        StorageError: it is missing, or can't be read.
    """
    generation = read_sidecar(await store.get(sidecar_path(generation_id)))
    return generation if generation is None or generation.id == generation_id else None


def _read_spec(fields: dict[str, Any]) -> GenerationSpec:
    width, height = fields["native_size"]
    price_usd = fields["price_usd"]
    return GenerationSpec(
        key=_text(fields["key"]),
        seeded_key=_text(fields["seeded_key"]),
        provider=_text(fields["provider"]),
        model=_text(fields["model"]),
        prompt=_text(fields["prompt"]),
        style=_optional_text(fields["style"]),
        text=_text(fields["text"]),
        negative_prompt=_optional_text(fields["negative_prompt"]),
        native_size=Size(_whole_number(width, least=1), _whole_number(height, least=1)),
        seed=_whole_number(fields["seed"], least=0),
        references=_read_references(fields),
        price_usd=None if price_usd is None else _number(price_usd, most=PRICE_MAX_USD),
        # Older sidecars don't have these.
        prompt_extend=_switch(fields.get("prompt_extend", True)),
        prompt_extend_mode=_optional_text(fields.get("prompt_extend_mode")),
        enable_thinking=_optional_switch(fields.get("enable_thinking")),
    )


def _read_references(fields: dict[str, Any]) -> tuple[ReferenceRecord, ...]:
    if "references" in fields:
        return tuple(
            ReferenceRecord(_text(one["digest"]), _optional_text(one["shown"]))
            for one in fields["references"]
        )
    digest = _optional_text(fields["reference_digest"])  # of a version with one reference
    return () if digest is None else (ReferenceRecord(digest, shown=None),)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # raises ValueError for half a surrogate pair, as the catalog would
    return value


def _number(value: float, *, most: float = _NUMBER_MAX) -> float:
    if not 0 <= value <= most:
        raise ValueError
    return float(value)


def _whole_number(value: object, *, least: int) -> int:
    if type(value) is not int or not least <= value <= _NUMBER_MAX:
        raise ValueError
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _optional_switch(value: object) -> bool | None:
    return None if value is None else _switch(value)


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)
