"""Parts of the OpenAPI document for bodies and responses that FastAPI does not describe."""

from typing import Any

from stills.contract.request import REQUEST_FIELDS
from stills.contract.takes import TAKES_FIELD
from stills.http.errors import ErrorBody
from stills.http.event_stream import STREAM
from stills.http.openai_answer import CACHED_HEADER, COST_HEADER, ID_HEADER, IGNORED_HEADER
from stills.http.openai_output import FORMATS
from stills.http.openai_references import REFERENCE_FIELDS
from stills.http.openai_request import IGNORED, SIZE_PARTS


def _text(description: str, **more: object) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


_MODEL = _text("An exact id from /v1/models; by default the service's own model.")
_FRESH = {
    "type": "boolean",
    "description": "True always pays for a new image, as does the header Cache-Control: no-cache.",
}
_CONTRACT = {
    **{name: field.schema() for name, field in REQUEST_FIELDS.items()},
    "reference_image": REQUEST_FIELDS["reference_image"].schema(
        details="the id or image_url of a stored image, or an https URL or a data URL of a PNG, "
        "JPEG, WebP, GIF, BMP or TIFF"
    ),
    "reference_images": REQUEST_FIELDS["reference_images"].schema(
        details=REQUEST_FIELDS["reference_images"].details  # without the example, which has paths
    ),
    "model": _MODEL,
    "fresh": _FRESH,
}
_TAKES = {TAKES_FIELD.name: TAKES_FIELD.schema()}
_OPENAI = {
    **{name: schema for name, schema in _CONTRACT.items() if "reference" not in name},
    "size": REQUEST_FIELDS["size"].schema(
        details="also a ratio such as 16:9; 1K, 2K or 4K, with or without a ratio; or auto, as "
        "without a size: the ratio of the reference image, or 1024*1024 if there is none"
    ),
    **{name: _text("As in size.", pattern=pattern) for name, pattern in SIZE_PARTS.items()},
    "n": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10,
        "description": "Number of images; their seeds are consecutive.",
    },
    "response_format": {"type": "string", "enum": ["url", "b64_json"]},
    "output_format": {
        "type": "string",
        "enum": list(FORMATS),
        "description": "The format of b64_json; a URL is always of a PNG.",
    },
    "output_compression": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "description": "The quality of webp and jpeg in percent.",
    },
    "stream": {
        "type": "boolean",
        "description": "True answers with events: keep-alives, and each image when it is complete.",
    },
}
_URL = _text("An https URL, a data URL, or the id or URL of a stored image.")
_REFERENCE = {
    "anyOf": [
        _URL,
        {
            "type": "object",
            "properties": {
                "image_url": {
                    "anyOf": [
                        _URL,
                        {"type": "object", "properties": {"url": _URL}, "required": ["url"]},
                    ]
                }
            },
            "required": ["image_url"],
        },
    ]
}
_REFERENCES = {
    name: {
        "description": "A reference, or several in order.",
        "anyOf": [_REFERENCE, {"type": "array", "items": _REFERENCE}],
    }
    for name in REFERENCE_FIELDS
}
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "A reference: PNG, JPEG, WebP, GIF, BMP or TIFF.",
}
_FILES = {"type": "array", "items": _FILE, "description": "Several references, in order."}
_IGNORED = {
    name: {"description": "A field of OpenAI's, ignored and listed in X-Stills-Ignored."}
    for name in sorted(IGNORED)
}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_REQUEST_ID = {"X-Request-ID": _header("The id of this request in the log.")}
_RETRY = {"x-should-retry": _header("true or false: whether a retry may succeed.")}
_WAIT = {"Retry-After": _header("Seconds to wait before a retry.")}
ANSWER_HEADERS = {
    ID_HEADER: _header("The id of each image, separated by commas."),
    CACHED_HEADER: _header("true for each image that was stored already, false for a new one."),
    COST_HEADER: _header("What each image costs this request in USD; unknown without a price."),
    IGNORED_HEADER: _header("The fields that were ignored."),
    **_REQUEST_ID,
}


_PARAMETERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key and body return the first response again, for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    {
        "name": "Cache-Control",
        "in": "header",
        "required": False,
        "description": "no-cache always pays for a new image, unless the body says fresh: false.",
        "schema": {"type": "string"},
    },
]


def _body(media_type: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    content = {media_type: {"schema": {**schema, "additionalProperties": False}}}
    return {"requestBody": {"required": True, "content": content}, "parameters": _PARAMETERS}


def _json_body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Describe a JSON body, in which null means that a field is absent."""
    nullable = {
        name: schema if name in required else {"anyOf": [schema, {"type": "null"}]}
        for name, schema in properties.items()
    }
    return _body("application/json", nullable, required)


GENERATION = _json_body({**_OPENAI, **_REFERENCES, **_IGNORED}, ["prompt"])
EDIT = _body(
    "multipart/form-data", {**_OPENAI, "image": _FILE, "image[]": _FILES, **_IGNORED}, ["prompt"]
)
EDIT["requestBody"]["content"] |= GENERATION["requestBody"]["content"]
CONTRACT = _json_body({**_CONTRACT, **_TAKES}, ["prompt", "size"])
_REQUEST = {name: schema for name, schema in _CONTRACT.items() if name not in ("model", "fresh")}
_SHOT = {
    "id": _text("The id of the shot; by default its number.", maxLength=120),
    **_REQUEST,
    **_TAKES,
}
_JOB = {
    "shots": {
        "type": "array",
        "minItems": 1,
        "description": "Requests; a job without shots has the fields of one request itself.",
        "items": {
            "type": "object",
            "properties": _SHOT,
            "required": ["prompt", "size"],
            "additionalProperties": False,
        },
    },
    "model": _MODEL,
    "name": _text(
        "The same shots with the same name are one job; by default the Idempotency-Key.",
        maxLength=255,
    ),
    "max_cost_usd": {
        "type": "number",
        "minimum": 0,
        "description": "What all calls of the job may cost together.",
    },
    "webhook_url": _text("Where to report the end of the job.", maxLength=2000),
}
_ONE_OR_MANY = [{"required": ["shots"]}, {"required": ["prompt", "size"]}]
JOB = _json_body({**_SHOT, **_JOB}, [])
JOB["requestBody"]["content"]["application/json"]["schema"]["oneOf"] = _ONE_OR_MANY
_LIMITED = 429
_DESCRIPTIONS = {
    400: "The request is invalid, or the provider refused its content.",
    401: "The API key is missing or invalid.",
    403: "Without API keys, the service accepts only local requests.",
    404: "Not found.",
    405: "The route does not support this method.",
    409: "The Idempotency-Key was used with another body.",
    410: "The image is missing from the store.",
    413: "The body is too large.",
    415: "Unsupported Content-Type.",
    429: "Too many requests, or a budget is used up.",
    500: "This service failed.",
    502: "The provider failed.",
    503: "The provider can't be reached.",
    504: "The provider took too long.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the responses with these statuses, and those that every route may have."""
    return {
        status: {
            "model": ErrorBody,
            "description": _DESCRIPTIONS[status],
            "headers": {**_REQUEST_ID, **_RETRY, **(_WAIT if status == _LIMITED else {})},
        }
        for status in sorted({400, 401, 403, 405, 429, 500, *statuses})
    }


EVENTS: dict[str, Any] = {
    STREAM: {
        "schema": {
            "type": "object",
            "description": "One event; its `data` is JSON.",
            "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
            "required": ["event", "data"],
        }
    }
}
"""The content of an answer with events."""


JOB_ANSWER: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "With `Prefer: respond-async`: a job, whose address is in Location.",
        "headers": {"Location": _header("The address of the job.")},
    }
}


def _png(status: str, **headers: str) -> dict[str, Any]:
    content = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
    described = {name.replace("_", "-"): _header(text) for name, text in headers.items()}
    return {"description": status, "content": content, "headers": {**_REQUEST_ID, **described}}


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ErrorBody"}
    return {
        "description": _DESCRIPTIONS[status],
        "content": {"application/json": {"schema": schema}},
    }


_PNG_ANSWERS = {
    "200": _png(
        "The image.",
        ETag="Its SHA-256.",
        Cache_Control="It never changes.",
        Last_Modified="When it was generated.",
    ),
    "206": _png("The requested range.", ETag="Its SHA-256.", Content_Range="The range."),
    "304": {"description": "The client has the image already."},
    "416": {"description": "The image has no such range."},
    **{str(status): _refusal(status) for status in (403, 404, 410, 500)},
}
_PNG_PARAMETER = {
    "name": "image_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
}
_PNG_CONDITIONS = [
    {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
    for name in ("Range", "If-Range", "If-None-Match", "If-Modified-Since")
]
IMAGE_FILE_ROUTE: dict[str, Any] = {
    method: {
        "tags": ["images"],
        "summary": summary,
        "operationId": f"{method}_png",
        "parameters": [_PNG_PARAMETER, *_PNG_CONDITIONS],
        "responses": _PNG_ANSWERS,
    }
    for method, summary in (("get", "The PNG of an image"), ("head", "The headers of the PNG"))
}
