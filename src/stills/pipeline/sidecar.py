"""Facts: what the store says of each paid image, enough to rebuild the catalog from.

One JSON file per generation, `facts/<id>.json`, written before the image itself.
"""

import json
import re
from dataclasses import fields
from typing import Any

from stills.contract.generation import Generation, GenerationSpec, Inspection, Stage
from stills.contract.money import PRICE_MAX_USD
from stills.contract.size import Size

SIDECAR_FOLDER = "facts"
_VERSION = 1
_SPEC = tuple(field.name for field in fields(GenerationSpec))
# One plain name in the top folder, with the id at its end: facts may have been tampered with.
_PATH = re.compile(r"[^/\\:#?%\x00-\x1f\x7f-\x9f]*([0-9a-f]{12})\.png")
_NUMBER_MAX = 10**11  # a time far ahead, in seconds; what SQLite and datetime can hold


def sidecar_path(generation_id: str) -> str:
    """Say where in a store the facts of a generation lie."""
    return f"{SIDECAR_FOLDER}/{generation_id}.json"


def write_sidecar(
    generation: Generation, inspection: Inspection, *, path: str, store_id: str | None = None
) -> bytes:
    """Describe a generation whose image is, or is about to be, at `path`.

    `store_id` names the store that a spooled image is for.
    """
    facts = {
        "version": _VERSION,
        "id": generation.id,
        "created_at": generation.created_at,
        "notes": generation.notes,
        "sha256": inspection.sha256,
        "byte_count": inspection.byte_count,
        "path": path,
        "draft": {name: getattr(generation.spec, name) for name in _SPEC},
    }
    if store_id is not None:
        facts["store"] = store_id
    return json.dumps(facts, ensure_ascii=False).encode()


def read_store_id(written: bytes) -> str | None:
    """Read which store the image of a readable sidecar is for; None if it does not say."""
    store_id = json.loads(written).get("store")
    return store_id if isinstance(store_id, str) else None


def read_sidecar(written: bytes) -> Generation | None:
    """Read a generation back, as kept; None if these are no facts of ours."""
    try:
        facts = json.loads(written)
        if facts["version"] != _VERSION:
            return None
        path = _text(facts["path"])
        generation_id = _text(facts["id"])
        named = _PATH.fullmatch(path)
        if named is None or named[1] != generation_id:
            return None
        return Generation(
            id=generation_id,
            spec=_read_spec(facts["draft"]),
            stage=Stage.KEPT,
            created_at=_number(facts["created_at"]),
            notes=tuple(_text(note) for note in facts["notes"]),
            sha256=_text(facts["sha256"]),
            byte_count=_whole_number(facts["byte_count"], least=1),
            object_path=path,
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _read_spec(facts: dict[str, Any]) -> GenerationSpec:
    width, height = facts["native_size"]
    price_usd = facts["price_usd"]
    return GenerationSpec(
        key=_text(facts["key"]),
        seeded_key=_text(facts["seeded_key"]),
        provider=_text(facts["provider"]),
        model=_text(facts["model"]),
        prompt=_text(facts["prompt"]),
        style=_optional_text(facts["style"]),
        text=_text(facts["text"]),
        negative_prompt=_optional_text(facts["negative_prompt"]),
        native_size=Size(_whole_number(width, least=1), _whole_number(height, least=1)),
        seed=_whole_number(facts["seed"], least=0),
        reference_digest=_optional_text(facts["reference_digest"]),
        price_usd=None if price_usd is None else _number(price_usd, most=PRICE_MAX_USD),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # half a surrogate pair is a ValueError here, and in the catalog
    return value


def _number(value: float, *, most: float = _NUMBER_MAX) -> float:
    if not 0 <= value <= most:
        raise ValueError
    return float(value)


def _whole_number(value: object, *, least: int) -> int:
    if type(value) is not int or not least <= value <= _NUMBER_MAX:
        raise ValueError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)
