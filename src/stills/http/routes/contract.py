"""The contract over HTTP: JSON in and out, or an event for each stage."""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.takes import check_takes
from stills.http.event_stream import (
    COMMENT,
    STREAM,
    Emit,
    answer_events,
    stream_events,
    write_event,
)
from stills.http.generation import HttpGeneration, log_results
from stills.http.idempotency import answer_once
from stills.http.jobs import HttpJobs, prefers_job
from stills.http.model_names import resolve_model
from stills.http.openai_request import read_fresh, says_no_cache
from stills.http.openapi import CONTRACT, EVENTS, JOB_ANSWER, refusals
from stills.http.request_body import read_object
from stills.service.progress import OnTakeProgress, ignore_take_progress
from stills.service.records import result_record

_JSON = "application/json"
_STAGE_NAMES = {Stage.CLAIMED: "queued"}


class ResultBody(BaseModel):
    """The contract's four fields, then the fields of ImageResult in Python."""

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
    object_path: str


class ResultsBody(ResultBody):
    """The first take; `takes` has all, if the request had `takes`."""

    takes: list[ResultBody] | None = None


def make_contract_router(generation: HttpGeneration, jobs: HttpJobs) -> APIRouter:
    """Serve `image.generate`."""
    router = APIRouter(prefix="/v1", tags=["image.generate"])
    settings = generation.settings

    @router.post(
        "/image.generate",
        openapi_extra=CONTRACT,
        response_model=ResultsBody,
        responses={
            200: {"content": EVENTS},
            **JOB_ANSWER,
            **refusals(404, 409, 410, 413, 415, 502, 503, 504),
        },
    )
    async def generate_image(request: Request) -> Response:
        """Generate an image, or return the stored one. `Accept: text/event-stream` adds stages."""
        fields = read_object(request)
        name = fields.pop("model", None)
        fresh = read_fresh(fields.pop("fresh", None), no_cache=says_no_cache(request.headers))
        takes = fields.pop("takes", None)
        number = 1 if takes is None else check_takes(takes)
        image_request = ImageRequest.from_mapping(fields)
        model = resolve_model(
            name,
            settings.model,
            settings.model_aliases,
            generation.stills.models,
            references_field=image_request.references_field
            if image_request.all_references
            else None,
        )

        if prefers_job(request):
            return await jobs.submit_one(
                request, image_request, model=model, takes=number, fresh=fresh
            )

        async def answer(on_progress: OnTakeProgress = ignore_take_progress) -> dict[str, Any]:
            async def generate(fresh_key: str | None) -> Sequence[ImageResult]:
                return await generation.generate_takes(
                    request,
                    image_request,
                    model=model,
                    takes=number,
                    fresh=fresh,
                    fresh_key=fresh_key,
                    on_progress=on_progress,
                )

            answered = await answer_once(generation.stills, request, request.state.body, generate)
            log_results(request, answered.own_results, replayed=number)
            records = [
                result_record(result, settings.image_url(request, result.id, result.image_url))
                for result in answered.results
            ]
            return records[0] if takes is None else records[0] | {"takes": records}

        async def answer_with_stages(emit: Emit) -> None:
            emit(COMMENT)  # so that every error is an event

            def on_progress(take: int, stage: Stage, position: int) -> None:
                emit(write_event("stage", _describe(take, stage, position)))

            emit(write_event("result", await answer(on_progress)))

        if _prefers_events(request.headers.get("accept", "")):
            return await answer_events(
                stream_events(request, answer_with_stages, settings.keep_alive_seconds)
            )
        return JSONResponse(await answer())

    return router


def _describe(take: int, stage: Stage, position: int) -> dict[str, Any]:
    data: dict[str, Any] = {"stage": _STAGE_NAMES.get(stage, stage.value)}
    if take:
        data["take"] = take + 1
    if position:
        data["position"] = position
    return data


def _prefers_events(accept: str) -> bool:
    """Return whether events are preferred to JSON (RFC 9110, section 12.5.1), or come first."""
    ranks = {_JSON: (0.0, -math.inf), STREAM: (0.0, -math.inf)}
    for position, media_range in enumerate(accept.lower().split(",")):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        with suppress(ValueError):
            ranks[name] = (float(quality), -position)
    return ranks[STREAM][0] > 0 and ranks[STREAM] > ranks[_JSON]
