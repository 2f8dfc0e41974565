"""What the service accepts for each model: the qwen-image API reference as data and checks."""

import base64
import binascii
import hashlib
import json
import math
import re
import secrets
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from stills.sandbox.content import DATA_URL, Uploads, check_images, read_parts, read_text
from stills.sandbox.errors import (
    Refusal,
    invalid_parameter,
    model_not_found,
    model_retired,
)
from stills.sandbox.tokens import cut_to_tokens

NEGATIVE_PROMPT_LIMIT_CHARACTERS = 500
LARGEST_SEED = 2147483647
DEFAULT_SIZE = "2048*2048"
FEWEST_PIXELS = 512 * 512
MOST_PIXELS = 2048 * 2048
LARGEST_RATIO = 8

_SIZE = re.compile(r"([1-9][0-9]{0,6})\*([1-9][0-9]{0,6})")


@dataclass(frozen=True)
class ModelRules:
    """The limits of one model.

    The first of `sizes` is the default; None means any size between the limits of pixels and ratio,
    2048*2048 by default. `most_tokens=None` means that it is unknown how much of a prompt the model
    reads. `has_task_metric` and `has_output_usage` are parts of answers:
    the first is in those of qwen-image-max, the second in those of 3.0 (API reference, 2026-11).
    """

    sizes: tuple[str, ...] | None = None
    most_tokens: int | None = None
    most_images: int = 6
    most_references: int = 3
    has_thinking: bool = False
    has_tasks: bool = False
    has_task_metric: bool = False
    has_output_usage: bool = False
    has_compatible_route: bool = False


_VERSION_2_0 = ModelRules(most_tokens=1300)
_VERSION_3_0 = ModelRules(
    most_tokens=4500,
    has_thinking=True,
    has_tasks=True,
    has_output_usage=True,
    has_compatible_route=True,
)
MODELS: Mapping[str, ModelRules] = {
    "qwen-image-max": ModelRules(
        sizes=("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664"),
        most_tokens=800,
        most_images=1,
        most_references=0,
        has_task_metric=True,
    ),
    "qwen-image-2.0": _VERSION_2_0,
    "qwen-image-2.0-2026-03-03": _VERSION_2_0,
    "qwen-image-2.0-pro": _VERSION_2_0,
    "qwen-image-2.0-pro-2026-04-22": _VERSION_2_0,
    "qwen-image-2.0-pro-2026-06-22": _VERSION_2_0,
    "qwen-image-2.1-turbo": ModelRules(most_images=1, most_references=10),
    "qwen-image-2.1-pro": ModelRules(most_images=1, most_references=10, has_compatible_route=True),
    "qwen-image-3.0": _VERSION_3_0,
    "qwen-image-3.0-pro": _VERSION_3_0,
}


@dataclass(frozen=True)
class ServedModels:
    """The rules of each model that is served, and the retired ones among them."""

    rules: Mapping[str, ModelRules]
    retired: frozenset[str]


@dataclass(frozen=True)
class AcceptedRequest:
    """A valid request as the service uses it: truncated to its limits, with defaults filled in."""

    model: str
    rules: ModelRules
    text: str
    text_cut: bool
    negative_prompt: str
    negative_prompt_cut: bool
    width: int
    height: int
    seed: int
    image_count: int
    reference_count: int


@dataclass(frozen=True)
class RequestSummary:
    """What the ledger records of a request before it is known to be valid."""

    model: str | None = None
    prompt: str | None = None
    content: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parse_body(raw: bytes) -> dict[str, Any]:
    """Parse a request's JSON object; refuses anything else as `InvalidParameter`."""
    try:
        body = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise invalid_parameter("Request body format invalid: it must be JSON.") from None
    return _mapping(body, "The request body")


def summarize(body: Mapping[str, Any]) -> RequestSummary:
    """Summarize a request, valid or not."""
    model = body.get("model")
    parameters = body.get("parameters")
    content = _readable_content(body)
    prompts = [part["text"] for part in content if isinstance(part.get("text"), str)]
    return RequestSummary(
        model=model if isinstance(model, str) else None,
        prompt=prompts[0] if prompts else None,
        content=tuple(_kind(part) for part in content),
        references=tuple(
            _digest(part["image"]) for part in content if isinstance(part.get("image"), str)
        ),
        parameters=_scalars(parameters) if isinstance(parameters, dict) else {},
    )


def check(
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    models: ServedModels,
    *,
    uploaded: Container[str] = (),
    is_task: bool = False,
) -> AcceptedRequest:
    """Check a request by its model's rules; raises a `Refusal` that says what is wrong.

    `uploaded` are the keys of the files that were uploaded to this sandbox.
    `is_task` says whether it was sent to the endpoint of asynchronous tasks.
    """
    model, rules = _model(body, models)
    wants_task = headers.get("X-DashScope-Async", "").lower() == "enable"
    if wants_task and not (is_task and rules.has_tasks):
        raise no_asynchronous_calls()
    if is_task and not wants_task:
        raise no_synchronous_calls()
    parts = _content(body)
    text = read_text(parts)
    resolves = headers.get("X-DashScope-OssResourceResolve", "").lower() == "enable"
    reference_count = check_images(
        [part["image"] for part in parts if "image" in part],
        Uploads(uploaded, can_resolve=resolves),
        most=rules.most_references,
    )
    parameters = _mapping(body.get("parameters") or {}, "parameters")
    negative_prompt = _string(parameters, "negative_prompt") or ""
    for switch in ("prompt_extend", "watermark"):
        _boolean(parameters, switch)
    _check_thinking(parameters, rules)
    width, height = _size(parameters, rules)
    read, text_cut = cut_to_tokens(text, rules.most_tokens)
    return AcceptedRequest(
        model=model,
        rules=rules,
        text=read,
        text_cut=text_cut,
        negative_prompt=negative_prompt[:NEGATIVE_PROMPT_LIMIT_CHARACTERS],
        negative_prompt_cut=len(negative_prompt) > NEGATIVE_PROMPT_LIMIT_CHARACTERS,
        width=width,
        height=height,
        seed=_seed(parameters),
        image_count=_image_count(parameters, rules),
        reference_count=reference_count,
    )


def no_asynchronous_calls() -> Refusal:
    """Make the refusal of an asynchronous request."""
    message = "current user api does not support asynchronous calls."
    return Refusal(403, "AccessDenied", message)


def no_synchronous_calls() -> Refusal:
    """Make the refusal of a synchronous request to the endpoint of asynchronous tasks."""
    message = "current user api does not support synchronous calls."
    return Refusal(403, "AccessDenied", message)


def _model(body: Mapping[str, Any], models: ServedModels) -> tuple[str, ModelRules]:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise invalid_parameter("model must be a non-empty string.")
    if model in models.retired:
        raise model_retired(model)
    if model not in models.rules:
        raise model_not_found(model)
    return model, models.rules[model]


def _content(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = _mapping(body.get("input"), "input").get("messages")
    if not isinstance(messages, list) or len(messages) != 1:
        raise invalid_parameter("input.messages must hold exactly one message.")
    message = _mapping(messages[0], "input.messages[0]")
    if message.get("role") != "user":
        raise invalid_parameter("The role of the message must be user.")
    return read_parts(message.get("content"))


def _check_thinking(parameters: Mapping[str, Any], rules: ModelRules) -> None:
    """Check the parameters that only version 3.0 has (compatible-mode image API, 2026-11)."""
    mode = _string(parameters, "prompt_extend_mode")
    _boolean(parameters, "enable_thinking")
    if mode not in (None, "direct", "agent"):
        raise invalid_parameter(f"prompt_extend_mode must be direct or agent, not {mode[:40]!r}.")
    for name in ("prompt_extend_mode", "enable_thinking"):
        if parameters.get(name) is not None and not rules.has_thinking:
            raise invalid_parameter(f"This model does not support {name}.")


def _size(parameters: Mapping[str, Any], rules: ModelRules) -> tuple[int, int]:
    """Read the size; the words of the refusals are those that users report (August 2026)."""
    size = _string(parameters, "size") or (rules.sizes[0] if rules.sizes else DEFAULT_SIZE)
    match = _SIZE.fullmatch(size)
    if match is None:
        raise invalid_parameter(f"Invalid size {size[:40]!r}. Expected format: '<width>*<height>'")
    width, height = int(match[1]), int(match[2])
    if rules.sizes is not None:
        if size not in rules.sizes:
            allowed = ",".join(rules.sizes)
            raise invalid_parameter(f"The size does not match the allowed size {allowed}.")
        return width, height
    area = width * height
    if not FEWEST_PIXELS <= area <= MOST_PIXELS:
        raise invalid_parameter(
            f"Image area must be between {FEWEST_PIXELS} and {MOST_PIXELS} pixels. "
            f"Got area={area} (width={width}, height={height})."
        )
    if max(width, height) > LARGEST_RATIO * min(width, height):
        raise invalid_parameter(f"The aspect ratio must be between 1:8 and 8:1, not {size}.")
    return width, height


def _seed(parameters: Mapping[str, Any]) -> int:
    seed = parameters.get("seed")
    if seed is None:
        return secrets.randbelow(LARGEST_SEED + 1)
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise invalid_parameter(f"seed must be an integer from 0 to {LARGEST_SEED}.")
    return seed


def _image_count(parameters: Mapping[str, Any], rules: ModelRules) -> int:
    count = parameters.get("n")
    if count is None:
        return 1
    if rules.most_images == 1 and count != 1:
        raise invalid_parameter("num_images_per_prompt must be 1")  # as on the page of errors
    if type(count) is not int or not 1 <= count <= rules.most_images:
        raise invalid_parameter(f"n must be an integer from 1 to {rules.most_images}.")
    return count


def _mapping(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_parameter(f"{name} must be an object.")
    return value


def _string(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_parameter(f"{name} must be a string.")
    return value


def _boolean(parameters: Mapping[str, Any], name: str) -> None:
    if not isinstance(parameters.get(name), bool | None):
        raise invalid_parameter(f"{name} must be true or false.")


def _digest(image: str) -> str:
    """Return the SHA-256 of the bytes in a data URL, or of any other URL."""
    start = DATA_URL.match(image)
    if start is not None:
        with suppress(binascii.Error, ValueError):
            return hashlib.sha256(base64.b64decode(image[start.end() :], validate=True)).hexdigest()
    return hashlib.sha256(image.encode("utf-8", "surrogatepass")).hexdigest()


def _readable_content(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Find the parts of the content, even if the request is invalid otherwise."""
    given = body.get("input")
    messages = given.get("messages") if isinstance(given, dict) else None
    message = messages[0] if isinstance(messages, list) and messages else None
    content = message.get("content") if isinstance(message, dict) else None
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _kind(part: Mapping[str, Any]) -> str:
    if "image" not in part:
        return "text" if "text" in part else "unknown"
    image = part["image"]
    scheme = re.match(r"(data|https?|oss):", image) if isinstance(image, str) else None
    return f"image:{scheme[1]}" if scheme else "image:unknown"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not valid JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is out of range")
    return number


def _scalars(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Select the scalar parameters; the service has no others."""
    return {k: v for k, v in parameters.items() if isinstance(v, str | int | float | None)}
