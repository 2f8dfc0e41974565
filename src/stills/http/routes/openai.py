"""OpenAI's routes: generations, edits and models."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.http.errors import not_found
from stills.http.generation import HttpGeneration, log_results
from stills.http.idempotency import answer_once
from stills.http.openai_answer import Base64Encoder, answer_images
from stills.http.openai_request import OpenAiRequest, read_generation, says_no_cache
from stills.http.openapi import ANSWER_HEADERS, EDIT, GENERATION, refusals
from stills.http.request_body import is_json, read_form, read_object


class ImageData(BaseModel):
    """One image; `url` works for as long as the image is stored."""

    url: str | None = None
    b64_json: str | None = None


class ImagesBody(BaseModel):
    """OpenAI's response: `created` in Unix seconds, and the images in the order of their seeds."""

    created: int
    output_format: Literal["png", "webp", "jpeg"]
    data: list[ImageData]


class ModelBody(BaseModel):
    """A model; `created` is when its entry in our model table was last checked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "alibaba-cloud"


class ModelsBody(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelBody]


_RESPONSES: dict[str, Any] = {
    "response_model": ImagesBody,
    "responses": {200: {"headers": ANSWER_HEADERS}}
    | refusals(404, 409, 410, 413, 415, 502, 503, 504),
}


def make_openai_router(generation: HttpGeneration) -> APIRouter:
    """Serve the routes that OpenAI's clients call."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    settings = generation.settings
    encoder = Base64Encoder(generation.stills)

    async def generate(request: Request, wanted: OpenAiRequest, content: bytes) -> Response:
        with wanted.references.named_in_errors():
            answered = await answer_once(
                generation.stills,
                request,
                content,
                lambda: generation.generate_takes(
                    request,
                    wanted.first,
                    model=wanted.model,
                    takes=wanted.count,
                    fresh=wanted.fresh,
                ),
            )
        log_results(request, answered.own_results, replayed=len(answered.results))
        urls = [settings.image_url(request, result.id) for result in answered.results]
        return await answer_images(answered, urls, wanted.output, wanted.ignored, encoder)

    @router.post("/images", openapi_extra=GENERATION, **_RESPONSES)
    @router.post("/images/generations", openapi_extra=GENERATION, **_RESPONSES)
    async def generate_images(request: Request) -> Response:
        """Generate images from a prompt and, if there are any, reference images."""
        return await generate(
            request, _read(generation, request, read_object(request)), request.state.body
        )

    @router.post("/images/edits", openapi_extra=EDIT, **_RESPONSES)
    async def edit_images(request: Request) -> Response:
        """Generate images from a prompt and reference images."""
        if is_json(request):
            wanted = _read(generation, request, read_object(request), reference_required=True)
            return await generate(request, wanted, request.state.body)
        form = await read_form(request)
        wanted = _read(generation, request, form.fields, form.images, reference_required=True)
        return await generate(request, wanted, form.identity)

    models = generation.stills.models
    names = dict(models)
    names |= {alias: models[model_id] for alias, model_id in settings.model_aliases.items()}
    bodies = {
        name: ModelBody(
            id=name,
            created=int(datetime.combine(model.checked_on, time(), UTC).timestamp()),
        )
        for name, model in names.items()
    }

    @router.get("/models", responses=refusals())
    async def list_models() -> ModelsBody:
        """List the models, and this service's aliases for them."""
        return ModelsBody(data=list(bodies.values()))

    @router.get("/models/{model_id}", response_model=ModelBody, responses=refusals(404))
    async def show_model(model_id: str) -> Response:
        """Show one model."""
        if model_id not in bodies:
            return not_found("No model has this id; /v1/models lists all models.")
        return JSONResponse(bodies[model_id].model_dump())

    return router


def _read(
    generation: HttpGeneration,
    request: Request,
    fields: Mapping[str, Any],
    uploaded: Sequence[str | bytes] = (),
    *,
    reference_required: bool = False,
) -> OpenAiRequest:
    return read_generation(
        fields,
        default_model=generation.settings.model,
        aliases=generation.settings.model_aliases,
        models=generation.stills.models,
        no_cache=says_no_cache(request.headers),
        uploaded=uploaded,
        reference_required=reference_required,
    )
