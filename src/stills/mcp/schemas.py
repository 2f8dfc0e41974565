"""The tools as clients see them: descriptions and JSON schemas."""

from collections.abc import Iterable

import mcp_types as types

from stills.contract.models import MODELS
from stills.contract.request import REQUEST_FIELDS
from stills.contract.takes import TAKES_FIELD
from stills.mcp.job_schemas import JOB_STATUS, JOB_SUBMIT
from stills.mcp.schema_parts import number, object_of, optional_of, text
from stills.service.deletion import AFTERWARDS

LIST_MAX = 100
LIST_DEFAULT = 20


_TEXTS = {"type": "array", "items": {"type": "string"}}

_FIELDS = {
    **{name: field.schema() for name, field in REQUEST_FIELDS.items()},
    "reference_image": REQUEST_FIELDS["reference_image"].schema(
        details="the id of a stored image, or its URI, stills://images/{id}; an https URL or a "
        "data URL of a PNG, JPEG, WebP, GIF, BMP or TIFF; or, if the server runs on the user's "
        "machine, a path or its file:// URL"
    ),
    "reference_images": REQUEST_FIELDS["reference_images"].schema(
        details=REQUEST_FIELDS["reference_images"].details  # without the example, which has paths
    ),
    TAKES_FIELD.name: TAKES_FIELD.schema(),
    "model": {
        **text("An exact model id, to use another model than the server's default."),
        "enum": list(MODELS),
    },
    "fresh": {
        "type": "boolean",
        "default": False,
        "description": "True pays for a new image each time, instead of returning the stored one.",
    },
}
_REQUEST = {
    **object_of(_FIELDS),
    "required": [field.name for field in REQUEST_FIELDS.values() if field.is_required],
}

_RESULT = {
    "image_url": text("The URL of the image. A signed one expires; image_show gives a new one."),
    "width": number("In pixels."),
    "height": number("In pixels."),
    "seed": number("Use it to get this image again."),
    "id": text("The image's id; its resource is stills://images/{id}."),
    "cached": {"type": "boolean", "description": "True if no API call was needed."},
    "provider": text("dashscope; or sandbox, which returns placeholders at simulated cost."),
    "model": text("The exact model."),
    "native_size": text(
        "The size that the model generated, WIDTH*HEIGHT, before cropping and scaling."
    ),
    "cost_usd": optional_of("number", "The cost of this call in USD; null if unknown."),
    "notes": {**_TEXTS, "description": "Notes, such as on scaling."},
    "object_path": text("The image's path in the store."),
}
_RESULTS = object_of(
    _RESULT,
    {
        "takes": {
            "type": "array",
            "items": object_of(_RESULT),
            "description": "All takes, the first included, if the call had takes.",
        }
    },
)

_IMAGE = {
    "id": text("The image's id; its resource is stills://images/{id}."),
    "image_url": text("The URL of the image. A signed one expires; image_show gives a new one."),
    "width": number("In pixels."),
    "height": number("In pixels."),
    "seed": number("Use it to get this image again."),
    "prompt": text("As first requested."),
    "negative_prompt": optional_of("string", "What to avoid, as requested."),
    "style": optional_of("string", "As first requested."),
    "prompt_extend": {"type": "boolean", "description": "Whether the prompt could be rewritten."},
    "prompt_extend_mode": optional_of("string", "As requested."),
    "enable_thinking": optional_of("boolean", "As requested."),
    "references": {
        "type": "array",
        "items": object_of(
            {
                "digest": text("Identifies the image."),
                "shown": optional_of("string", "Its name, such as that of its file."),
            }
        ),
        "description": "The reference images, in the order in which they were sent.",
    },
    "provider": text("dashscope or sandbox."),
    "model": text("The exact model."),
    "native_size": text("The size that the model generated, WIDTH*HEIGHT."),
    "price_usd": optional_of("number", "The price of the generation; null if unknown."),
    "object_path": text("The image's path in the store."),
    "byte_count": number("Size of the PNG file."),
    "sha256": text("Hash of the PNG file, in hex."),
    "created_at": text("ISO 8601, UTC."),
    "notes": _TEXTS,
}

_SEND = object_of(
    {
        "sent_at": text("ISO 8601, UTC."),
        "billing": {"type": "string", "enum": ["none", "possible", "billed"]},
        "code": text("How the call ended."),
        "request_id": optional_of("string", "The provider's id of the call."),
    }
)

GENERATE = types.Tool(
    name="image_generate",
    title="image.generate",
    description=(
        "Generate an image and store it, or return the stored image of an earlier equal request: "
        "the same request is never billed twice. A new image is billed and takes from seconds to "
        "minutes. If a call is interrupted, call again with the same arguments: an image that was "
        "paid for is finished free of charge."
    ),
    input_schema=_REQUEST,
    output_schema=_RESULTS,
    annotations=types.ToolAnnotations(
        title="image.generate",
        read_only_hint=False,
        destructive_hint=False,
        idempotent_hint=False,  # with fresh, each call is billed
        open_world_hint=True,
    ),
)


def with_models(tool: types.Tool, model_ids: Iterable[str]) -> types.Tool:
    """Return a tool that takes one of these models."""
    properties = tool.input_schema["properties"]
    model = {**properties["model"], "enum": list(model_ids)}
    schema = {**tool.input_schema, "properties": {**properties, "model": model}}
    return tool.model_copy(update={"input_schema": schema})


_READ_ONLY = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

LIST = types.Tool(
    name="image_list",
    title="image.list",
    description="List stored images, newest first. Free of charge.",
    input_schema=object_of(
        {},
        {
            "limit": number(
                f"At most this many (default: {LIST_DEFAULT}).", minimum=1, maximum=LIST_MAX
            )
        },
    ),
    output_schema=object_of({"images": {"type": "array", "items": object_of(_IMAGE)}}),
    annotations=_READ_ONLY,
)

SHOW = types.Tool(
    name="image_show",
    title="image.show",
    description=(
        "Show one stored image, its request and the API calls made for it. Free of charge."
    ),
    input_schema=object_of({"id": text("An image id from image_generate or image_list.")}),
    output_schema=object_of({**_IMAGE, "sends": {"type": "array", "items": _SEND}}),
    annotations=_READ_ONLY,
)

DELETE = types.Tool(
    name="image_delete",
    title="image.delete",
    description=(
        "Delete one stored image in all its sizes; this can't be undone. "
        f"{AFTERWARDS} Ask the user first."
    ),
    input_schema=object_of({"id": text("An image id from image_generate or image_list.")}),
    output_schema=object_of(
        {
            "id": text("The id of the deleted image."),
            "deleted": {"type": "boolean", "description": "Always true; a failure is an error."},
        }
    ),
    annotations=types.ToolAnnotations(
        title="image.delete", read_only_hint=False, destructive_hint=True, open_world_hint=False
    ),
)

TOOLS = (GENERATE, LIST, SHOW, DELETE, JOB_SUBMIT, JOB_STATUS)

TEMPLATE = types.ResourceTemplate(
    name="image",
    title="Stored image",
    uri_template="stills://images/{id}",
    description="The PNG of a stored image, in full size.",
    mime_type="image/png",
)
