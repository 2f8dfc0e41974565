"""The contract over HTTP: JSON in and out, or the stages as they are reached."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response, StreamingResponse

from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.http.bodies import read_object
from stills.http.errors import error_answer
from stills.http.idempotency import answer_once
from stills.http.image_service import ImageService, note
from stills.http.middleware import get_log_entry
from stills.http.openai_request import resolve_model
from stills.http.openapi import CONTRACT, refusals
from stills.http.queue import OnProgress

_JSON = "application/json"
_STREAM = "text/event-stream"
_SILENCE_SECONDS = 15.0
_NAMES = {Stage.CLAIMED: "queued"}


class ResultBody(BaseModel):
    """The contract's four fields, then what else is known: see ImageResult in Python."""

    image_url: str
    width: int
    height: int
    seed: int
    id: str
    cached: bool
    provider: str
    model: str
    native_size: str
    cost_usd: float | None
    notes: list[str]


def make_contract_router(asking: ImageService) -> APIRouter:
    """Serve `image.generate`."""
    router = APIRouter(prefix="/v1", tags=["image.generate"])
    settings = asking.settings

    @router.post(
        "/image.generate",
        openapi_extra=CONTRACT,
        response_model=ResultBody,
        responses={
            200: {"content": {_STREAM: {"schema": {"type": "string"}}}},
            **refusals(404, 409, 410, 413, 415, 502, 503, 504),
        },
    )
    async def generate_image(request: Request) -> Response:
        """Make one image, or find it. `Accept: text/event-stream` tells each stage as well."""
        given = read_object(request)
        model = resolve_model(given.pop("model", None), settings.model, settings.model_aliases)
        wanted = ImageRequest.from_mapping(given)

        async def answer(on_place: OnProgress = lambda _stage, _position: None) -> dict[str, Any]:
            async def ask() -> list[ImageResult]:
                return [await asking.ask(request, wanted, model=model, on_place=on_place)]

            answered = await answer_once(asking.stills, request, request.state.body, ask)
            note(request, answered.asked, replayed=1)
            result = answered.results[0]
            return asdict(result) | {"image_url": settings.image_url(request, result.id)}

        if _wants_events(request.headers.get("accept", "")):
            return StreamingResponse(
                _events(request, answer), media_type=_STREAM, headers=_UNBUFFERED
            )
        return JSONResponse(await answer())

    return router


def _wants_events(accept: str) -> bool:
    """Tell whether events are preferred to JSON (RFC 9110, section 12.5.1); the first of equals."""
    ranks = {_JSON: (0.0, -math.inf), _STREAM: (0.0, -math.inf)}
    for position, written in enumerate(accept.lower().split(",")):
        name, *parameters = (part.strip() for part in written.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        with suppress(ValueError):
            ranks[name] = (float(quality), -position)
    return ranks[_STREAM][0] > 0 and ranks[_STREAM] > ranks[_JSON]


_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _events(
    request: Request, answer: Callable[[OnProgress], Awaitable[dict[str, Any]]]
) -> AsyncGenerator[str]:
    """Write stages as they come, then the result or the error.

    A reader who leaves gives up a generation that still waits for its start; one that was sent is
    finished and kept.
    """
    stages: asyncio.Queue[str] = asyncio.Queue()

    def on_place(stage: Stage, position: int) -> None:
        told: dict[str, Any] = {"stage": _NAMES.get(stage, stage.value)}
        if position:
            told["position"] = position
        stages.put_nowait(_event("stage", told))

    async def work() -> None:
        try:
            stages.put_nowait(_event("result", await answer(on_place)))
        except StillsError as error:
            get_log_entry(request).error = error.code
            stages.put_nowait(_event("error", json.loads(bytes(error_answer(error).body))))
        finally:
            stages.put_nowait("")

    working = asyncio.create_task(work())
    try:
        while True:
            try:
                written = await asyncio.wait_for(stages.get(), _SILENCE_SECONDS)
            except TimeoutError:
                yield ": still at it\n\n"
                continue
            if not written:
                break
            yield written
        await working
    except (asyncio.CancelledError, GeneratorExit):
        get_log_entry(request).error = "caller_left"
        raise
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
