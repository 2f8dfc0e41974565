"""OpenAI's routes: generations, edits and models."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response, StreamingResponse

from stills.contract.models import MODELS
from stills.http.bodies import read_form, read_object
from stills.http.errors import not_found
from stills.http.idempotency import answer_once
from stills.http.image_answer import ImageAnswers, ImagesBody
from stills.http.image_service import ImageService, note
from stills.http.openai_request import Wanted, naming_image, read_generation
from stills.http.openapi import EDIT, GENERATION, IGNORED_HEADER, refusals

_MADE: dict[str, Any] = {
    "response_model": ImagesBody,
    "responses": {200: {"headers": IGNORED_HEADER}}
    | refusals(404, 409, 410, 413, 415, 502, 503, 504),
}


async def _release(parts: list[bytes]) -> AsyncIterator[bytes]:
    """Give each part once, and keep none: a slow client must not hold what it has."""
    parts.reverse()
    while parts:
        yield parts.pop()


class ModelBody(BaseModel):
    """A model that can be asked for by this id; `created` is when we last checked its facts."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "alibaba-cloud"


class ModelsBody(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelBody]


def make_openai_router(asking: ImageService) -> APIRouter:
    """Serve what OpenAI's clients call."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    settings = asking.settings
    answers = ImageAnswers(asking.stills)

    async def make(request: Request, wanted: Wanted, content: bytes) -> Response:
        with naming_image():
            answered = await answer_once(
                asking.stills,
                request,
                content,
                lambda: asking.ask_all(
                    request, wanted.first, model=wanted.model, count=wanted.count
                ),
            )
        note(request, answered.asked, replayed=len(answered.results))
        parts = await answers.write(
            answered.results,
            wanted.response_format,
            created=answered.created,
            image_url=lambda image_id: settings.image_url(request, image_id),
        )
        headers = {"Content-Length": str(sum(map(len, parts)))}
        if wanted.ignored:
            headers["X-Stills-Ignored"] = ", ".join(wanted.ignored)
        return StreamingResponse(_release(parts), media_type="application/json", headers=headers)

    @router.post("/images/generations", openapi_extra=GENERATION, **_MADE)
    async def generate_images(request: Request) -> Response:
        """Make images of a prompt."""
        wanted = read_generation(
            read_object(request),
            default_model=settings.model,
            aliases=settings.model_aliases,
        )
        return await make(request, wanted, request.state.body)

    @router.post("/images/edits", openapi_extra=EDIT, **_MADE)
    async def edit_images(request: Request) -> Response:
        """Make images of a prompt and a reference."""
        form = await read_form(request)
        wanted = read_generation(
            form.fields,
            default_model=settings.model,
            aliases=settings.model_aliases,
            references=form.images,
            reference_required=True,
        )
        digests = [hashlib.sha256(image).hexdigest() for image in form.images]
        # Not the body: a client that tries again draws a new boundary.
        content = json.dumps([sorted(form.fields.items()), digests]).encode()
        return await make(request, wanted, content)

    names = MODELS | {alias: MODELS[model_id] for alias, model_id in settings.model_aliases.items()}
    bodies = {
        name: ModelBody(
            id=name,
            created=int(datetime.combine(model.checked_on, time(), UTC).timestamp()),
        )
        for name, model in names.items()
    }

    @router.get("/models", responses=refusals())
    async def list_models() -> ModelsBody:
        """List the models, and the aliases of this service."""
        return ModelsBody(data=list(bodies.values()))

    @router.get("/models/{model_id}", response_model=ModelBody, responses=refusals(404))
    async def show_model(model_id: str) -> Response:
        """Show one model."""
        if model_id not in bodies:
            return not_found("There is no such model; /v1/models lists them.")
        return JSONResponse(bodies[model_id].model_dump())

    return router
