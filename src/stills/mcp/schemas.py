"""The tools as clients see them: their words and JSON schemas."""

from typing import Any

import mcp_types as types

from stills.contract.models import MODELS
from stills.contract.request import REQUEST_FIELDS

LIST_MAX = 100
LIST_DEFAULT = 20


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _number(description: str, **limits: int) -> dict[str, Any]:
    return {"type": "integer", "description": description, **limits}


def _optional(kind: str, description: str) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": description}


_TEXTS = {"type": "array", "items": {"type": "string"}}

_FIELDS = {
    **{name: field.schema() for name, field in REQUEST_FIELDS.items()},
    "reference_image": REQUEST_FIELDS["reference_image"].schema(
        details="an https URL or a data URL of a PNG, JPEG or WebP, stills://images/{id} for a "
        "stored image, or, if the server runs on the user's machine, a path"
    ),
    "model": {
        **_text("An exact model id, to use another model than the server's default."),
        "enum": list(MODELS),
    },
}
_REQUEST = {
    **_object(_FIELDS),
    "required": [field.name for field in REQUEST_FIELDS.values() if field.is_required],
}

_RESULT = _object(
    {
        "image_url": _text("Where the image opens, for as long as it is kept."),
        "width": _number("Pixels."),
        "height": _number("Pixels."),
        "seed": _number("Ask with it to get this image again."),
        "id": _text("Of the image; its resource is stills://images/{id}."),
        "cached": {"type": "boolean", "description": "True if no send was needed."},
        "provider": _text("dashscope, or sandbox: then it is a placeholder for play money."),
        "model": _text("The exact model."),
        "native_size": _text("What the model made, WIDTH*HEIGHT, before cropping and scaling."),
        "cost_usd": _optional("number", "What this call added to the bill; null if unknown."),
        "notes": {**_TEXTS, "description": "What else is worth knowing."},
    }
)

_FACTS = {
    "id": _text("Of the image; its resource is stills://images/{id}."),
    "image_url": _text("Where the image opens, for as long as it is kept."),
    "width": _number("Pixels."),
    "height": _number("Pixels."),
    "seed": _number("Ask with it to get this image again."),
    "prompt": _text("As first asked for."),
    "negative_prompt": _optional("string", "What was kept out."),
    "style": _optional("string", "As first asked for."),
    "provider": _text("dashscope or sandbox."),
    "model": _text("The exact model."),
    "native_size": _text("What the model made, WIDTH*HEIGHT."),
    "byte_count": _number("Of the PNG."),
    "sha256": _text("Of the PNG, in hex."),
    "created_at": _text("ISO 8601, UTC."),
    "notes": _TEXTS,
}

_SEND = _object(
    {
        "sent_at": _text("ISO 8601, UTC."),
        "billing": {"type": "string", "enum": ["none", "possible", "billed"]},
        "code": _text("How it ended."),
        "request_id": _optional("string", "The provider's."),
    }
)

GENERATE = types.Tool(
    name="image_generate",
    title="image.generate",
    description=(
        "Make one image and keep it, or get the one that this request has made before: the same "
        "request is never paid for twice. A new image is billed and takes from seconds to "
        "minutes. If a call was cut off, call again with the same arguments: what was paid for "
        "is finished free of charge."
    ),
    input_schema=_REQUEST,
    output_schema=_RESULT,
    annotations=types.ToolAnnotations(
        title="image.generate",
        read_only_hint=False,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=True,
    ),
)

_LOOKING = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

LIST = types.Tool(
    name="image_list",
    title="image.list",
    description="List the images that are kept, the newest first. Free of charge.",
    input_schema=_object(
        {},
        {
            "limit": _number(
                f"At most so many; {LIST_DEFAULT} if not given.", minimum=1, maximum=LIST_MAX
            )
        },
    ),
    output_schema=_object({"images": {"type": "array", "items": _object(_FACTS)}}),
    annotations=_LOOKING,
)

SHOW = types.Tool(
    name="image_show",
    title="image.show",
    description=(
        "Look at one kept image, and at how it was asked for and what was sent for it. "
        "Free of charge."
    ),
    input_schema=_object({"id": _text("Of the image, as image_generate or image_list gave it.")}),
    output_schema=_object({**_FACTS, "sends": {"type": "array", "items": _SEND}}),
    annotations=_LOOKING,
)

TEMPLATE = types.ResourceTemplate(
    name="image",
    title="Kept image",
    uri_template="stills://images/{id}",
    description="The PNG of a kept image, in full size.",
    mime_type="image/png",
)
