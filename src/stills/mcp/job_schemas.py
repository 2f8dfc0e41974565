"""The tools for durable jobs as clients see them."""

import mcp_types as types

from stills.contract.request import REQUEST_FIELDS
from stills.contract.takes import TAKES_FIELD
from stills.mcp.schema_parts import number, object_of, optional_of, text

RESULTS_DEFAULT = 20
RESULTS_MAX = 100

_REQUEST = {
    **{name: field.schema() for name, field in REQUEST_FIELDS.items()},
    "reference_image": REQUEST_FIELDS["reference_image"].schema(
        details="the id of a stored image, or an https URL or a data URL"
    ),
    TAKES_FIELD.name: TAKES_FIELD.schema(),
}
_SHOT = {
    **object_of({"id": text("The id of the shot."), **_REQUEST}),
    "required": ["prompt", "size"],
}
_FAILURE = object_of(
    {
        "code": text("The error's code."),
        "message": text("What happened."),
        "action": text("What to do."),
        "retryable": {"type": "boolean", "description": "Whether a retry may succeed."},
        "billing": {"type": "string", "enum": ["none", "possible", "billed"]},
        "request_id": optional_of("string", "The provider's id of the call."),
    }
)
_COUNTS = ("total", "done", "cached", "failed", "refused", "unpaid", "unknown", "left")
_SPEND = ("billed", "unpriced", "possible", "possible_unpriced")
_JOB = {
    "id": text("The job's id, for image_job_status."),
    "name": optional_of("string", "The name it was submitted with."),
    "state": {"type": "string", "enum": ["queued", "running", "done", "failed", "cancelled"]},
    "owner": optional_of("string", "The API key that pays for it."),
    "model": text("The exact model."),
    "provider": text("dashscope or sandbox."),
    "counts": object_of({name: number("Shots.") for name in _COUNTS}),
    "spend": {
        **object_of(
            {
                **{name: number("Images.") for name in _SPEND},
                "billed_usd": {"type": "number", "description": "In USD."},
                "possible_usd": {"type": "number", "description": "In USD."},
            }
        ),
        "description": "What its calls cost so far.",
    },
    "max_cost_usd": optional_of("number", "What it may cost."),
    "ahead": number("Unfinished jobs that were submitted before it."),
    "created_at": text("ISO 8601, UTC."),
    "started_at": optional_of("string", "ISO 8601, UTC."),
    "finished_at": optional_of("string", "ISO 8601, UTC."),
    "error": {"anyOf": [_FAILURE, {"type": "null"}], "description": "Why it failed."},
}
_IMAGE = object_of(
    {
        "id": text("The image's id; its resource is stills://images/{id}."),
        "image_url": text("The URL of the image."),
        "width": number("In pixels."),
        "height": number("In pixels."),
        "seed": number("Use it to get this image again."),
        "cached": {"type": "boolean", "description": "True if no API call was needed."},
        "cost_usd": optional_of("number", "Its cost in USD; null if unknown."),
    }
)
_RESULT = object_of(
    {
        "id": text("The id of the shot; takes after the first end in -2, -3 and so on."),
        "position": number("The number of the shot, from 0."),
        "image": {"anyOf": [_IMAGE, {"type": "null"}]},
        "error": {"anyOf": [_FAILURE, {"type": "null"}]},
    }
)

JOB_SUBMIT = types.Tool(
    name="image_job_submit",
    title="image.job.submit",
    description=(
        "Submit images that a worker generates later, and return at once: for many images, or if "
        "image_generate takes longer than you can wait. Give the fields of one request, or a list "
        "of requests in shots. They are billed as with image_generate. A `stills worker` must be "
        "running. Then call image_job_status from time to time."
    ),
    input_schema=object_of(
        {},
        {
            **_REQUEST,
            "shots": {
                "type": "array",
                "items": _SHOT,
                "minItems": 1,
                "description": "A list of requests, instead of the fields of one.",
            },
            "model": text("An exact model id, instead of the server's default."),
            "name": text(
                "The same shots with the same name are one job: use it to call again safely."
            ),
            "max_cost_usd": {"type": "number", "minimum": 0, "description": "What it may cost."},
        },
    ),
    output_schema=object_of(_JOB),
    annotations=types.ToolAnnotations(
        title="image.job.submit",
        read_only_hint=False,
        destructive_hint=False,
        idempotent_hint=False,  # without a name, each call is a job
        open_world_hint=True,
    ),
)

JOB_STATUS = types.Tool(
    name="image_job_status",
    title="image.job.status",
    description="Show a job's progress, with a page of its images and errors. Free of charge.",
    input_schema=object_of(
        {"id": text("The id that image_job_submit returned.")},
        {
            "cursor": text("next_cursor of the page before."),
            "limit": number(
                f"At most this many images (default: {RESULTS_DEFAULT}).",
                minimum=1,
                maximum=RESULTS_MAX,
            ),
        },
    ),
    output_schema=object_of(
        {
            **_JOB,
            "results": {"type": "array", "items": _RESULT},
            "has_more": {"type": "boolean", "description": "Whether there is another page."},
            "next_cursor": optional_of("string", "For the next page."),
        }
    ),
    annotations=types.ToolAnnotations(
        title="image.job.status", read_only_hint=True, idempotent_hint=True, open_world_hint=False
    ),
)
