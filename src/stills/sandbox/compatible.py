"""The service's own route in OpenAI's form: POST /compatible-mode/v1/images/generations.

Flat fields in JSON, only for the models with `has_compatible_route`: no edits, masks or streams
(compatible-mode image API, November 2026).
"""

import re
import time
from typing import Any

from aiohttp import web

from stills.sandbox import rules
from stills.sandbox.errors import Refusal, error_response, invalid_parameter
from stills.sandbox.faults import FaultKind
from stills.sandbox.generation import GenerationEndpoint
from stills.sandbox.refusals import as_compatible
from stills.sandbox.rules import AcceptedRequest

COMPATIBLE_PATH = "/compatible-mode/v1/images/generations"
_PARAMETERS = (
    "n",
    "negative_prompt",
    "seed",
    "prompt_extend",
    "prompt_extend_mode",
    "enable_thinking",
    "watermark",
)
_SIZE = re.compile(r"([0-9]+)[x*]([0-9]+)")


class CompatibleEndpoint(GenerationEndpoint):
    """Translates a flat request to a message, and the answer back."""

    def _parse(self, raw: bytes) -> dict[str, Any]:
        return _to_message(rules.parse_body(raw))

    def _check_model(self, accepted: AcceptedRequest) -> None:
        if not accepted.rules.has_compatible_route:
            raise invalid_parameter("url error, please check url!")

    def _refuse(self, error: Refusal, request_id: str) -> web.Response:
        return error_response(as_compatible(error), request_id)

    async def _make(
        self,
        request: web.Request,
        accepted: AcceptedRequest,
        seq: int,
        request_id: str,
        kind: FaultKind | None,
    ) -> dict[str, Any]:
        answer = await super()._make(request, accepted, seq, request_id, kind)
        content = answer["output"]["choices"][0]["message"]["content"]
        data = [{"url": part["image"]} for part in content if "image" in part]
        return {"created": int(time.time()), "data": data, "usage": answer["usage"]}


def _to_message(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("stream"):
        raise invalid_parameter("This endpoint does not stream.")
    if body.get("mask") is not None:
        raise invalid_parameter("This endpoint takes no mask.")
    images = body.get("image")
    if images is None:
        images = []
    elif not isinstance(images, list):
        images = [images]
    content = [*({"image": image} for image in images), {"text": body.get("prompt")}]
    parameters = {name: body[name] for name in _PARAMETERS if name in body}
    return {
        "model": body.get("model"),
        "input": {"messages": [{"role": "user", "content": content}]},
        "parameters": parameters | {"size": _size(body.get("size"))},
    }


def _size(written: object) -> object:
    """Return a size as the service's own endpoint takes it; without one, the default."""
    match = _SIZE.fullmatch(written) if isinstance(written, str) else None
    if match is not None:
        return f"{match[1]}*{match[2]}"
    return None if written == "auto" else written
