"""Read the requests of OpenAI's clients."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from stills.contract.errors import InvalidReference, InvalidRequest
from stills.contract.models import MODELS, Model
from stills.contract.request import REQUEST_FIELDS, ImageRequest
from stills.contract.size import AUTO
from stills.http.model_names import resolve_model, returns_only_bytes
from stills.http.openai_output import OUTPUT_FIELDS, Output, read_output
from stills.http.openai_references import REFERENCE_FIELDS, References, read_references

IMAGES_MAX = 10
DEFAULT_SIZE = "1024*1024"
"""The size of OpenAI's own models if a request has neither a size nor an image."""

SIZE_PARTS = {
    "resolution": r"^([124][Kk]|auto)$",
    "aspect_ratio": r"^([1-9][0-9]{0,2}(\.[0-9]{1,2})?:[1-9][0-9]{0,2}(\.[0-9]{1,2})?|auto)$",
}
"""OpenRouter's fields for a size with their patterns, in the order in which our sizes have them."""

SUPPORTED = (
    *(name for name in REQUEST_FIELDS if name not in ("reference_image", "reference_images")),
    *REFERENCE_FIELDS, *SIZE_PARTS, "fresh", "model", "n", *OUTPUT_FIELDS,
)  # fmt: skip
IGNORED = frozenset(
    {
        "background", "complexity", "frame_count", "frame_duration_ms", "input_fidelity",
        "moderation", "partial_images", "provider", "quality",
        "safety_identifier", "svg", "user",
    }
)  # fmt: skip
"""Fields that have no meaning for these models: those of OpenAI's Python package 3.54, and
OpenRouter's `provider`."""


@dataclass(frozen=True, slots=True)
class OpenAiRequest:
    """The first image, how many in all, how they are returned, and the fields that were ignored.

    `fresh` is true if the request pays for new images even if some are stored.
    """

    first: ImageRequest
    references: References
    model: str
    count: int
    output: Output
    fresh: bool
    ignored: tuple[str, ...]


def read_generation(
    body: Mapping[str, Any],
    *,
    default_model: str,
    aliases: Mapping[str, str],
    models: Mapping[str, Model] = MODELS,
    no_cache: bool = False,
    uploaded: Sequence[str | bytes] = (),
    reference_required: bool = False,
    only_bytes: bool = False,
) -> OpenAiRequest:
    """Read the fields of a generation or an edit; `uploaded` are the references of its form.

    `no_cache` is whether the headers ask for a new image, and `only_bytes` whether URLs are
    returned only on request.

    Raises:
        InvalidRequest: a field is unknown, missing, of the wrong type or out of range.
    """
    fields = {name: value for name, value in body.items() if value is not None}
    _refuse_mask(fields)
    _refuse_unknown(fields)
    if "prompt" not in fields:
        raise InvalidRequest("prompt is missing", field="prompt", action="Describe the image.")
    only_bytes = only_bytes or returns_only_bytes(fields.get("model"), aliases)
    output = read_output(fields, only_bytes=only_bytes)
    references = read_references(fields, uploaded)
    if reference_required and not references.images:
        raise InvalidReference(
            "image is missing",
            field="image",
            action="Send a PNG, JPEG, WebP, GIF, BMP or TIFF file as image.",
        )
    with references.named_in_errors():
        first = ImageRequest.from_mapping(
            {name: value for name, value in fields.items() if name in REQUEST_FIELDS}
            | {"size": _size(fields, has_image=bool(references.images))}
            | references.as_fields()
        )
    return OpenAiRequest(
        first=first,
        references=references,
        model=resolve_model(
            fields.get("model"),
            default_model,
            aliases,
            models,
            references_field=references.field if references.images else None,
        ),
        count=_count(fields.get("n")),
        output=output,
        fresh=read_fresh(fields.get("fresh"), no_cache=no_cache),
        ignored=tuple(sorted({*output.ignored, *(IGNORED & fields.keys())})),
    )


def says_no_cache(headers: Mapping[str, str]) -> bool:
    """Return whether the headers ask for a new image, with `Cache-Control: no-cache`."""
    directives = headers.get("cache-control", "").lower().split(",")
    return "no-cache" in (directive.strip() for directive in directives)


def read_fresh(value: object, *, no_cache: bool) -> bool:
    """Return the field `fresh`; without it, what the headers say.

    Raises:
        InvalidRequest: the field is neither true nor false.
    """
    if value is None:
        return no_cache
    if not isinstance(value, bool):
        raise InvalidRequest(
            "fresh is neither true nor false",
            field="fresh",
            action="Send true to pay for a new image, or omit it.",
        )
    return value


def _refuse_mask(fields: Mapping[str, Any]) -> None:
    if "mask" in fields:
        raise InvalidRequest(
            "mask is not supported, because the models have none: they edit the whole image",
            field="mask",
            action="Leave it out, and describe in the prompt what to change and what to keep.",
        )


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    for name in fields:
        if name in SUPPORTED or name in IGNORED:
            continue
        near = get_close_matches(name[:40], SUPPORTED, n=1, cutoff=0.7)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise InvalidRequest(
            f"unknown field {name[:40]!r}",
            field=name[:40],
            action=f"{meant}The fields are {', '.join(SUPPORTED)}; OpenAI's others are ignored.",
        )


def _size(fields: Mapping[str, Any], *, has_image: bool) -> object:
    value = fields.get("size")
    given = [name for name in SIZE_PARTS if fields.get(name) not in (None, AUTO)]
    if given and value not in (None, AUTO):
        raise InvalidRequest(
            f"size and {given[0]} are both given",
            field=given[0],
            action="Send size, or resolution and aspect_ratio.",
        )
    for name in given:
        if not isinstance(fields[name], str) or not re.match(SIZE_PARTS[name], fields[name]):
            raise InvalidRequest(
                f"{name} is not valid",
                field=name,
                action="Send a resolution such as 2K, and an aspect_ratio such as 16:9.",
            )
    if given:
        return " ".join(fields[name] for name in given)
    if value is None or value == AUTO:
        return AUTO if has_image else DEFAULT_SIZE
    return value


def _count(value: object) -> int:
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= IMAGES_MAX:
        raise InvalidRequest(
            "n is out of range", field="n", action=f"Use a whole number from 1 to {IMAGES_MAX}."
        )
    return value
