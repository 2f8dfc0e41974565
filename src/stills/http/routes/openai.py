"""OpenAI's image routes: generations and edits."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from stills.http.errors import not_found
from stills.http.generation import HttpGeneration
from stills.http.jobs import HttpJobs
from stills.http.openai_answer import AnswerShape
from stills.http.openai_images import OpenAiImages
from stills.http.openai_stream import EDITED, GENERATED
from stills.http.openapi import ANSWER_HEADERS, EDIT, EVENTS, GENERATION, JOB_ANSWER, refusals
from stills.http.paths import UNSERVED
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


class OpenRouterImage(ImageData):
    """One image, and the media type of its bytes."""

    media_type: str


class OpenRouterUsage(BaseModel):
    """`cost` is in USD, and absent if the price is unknown; no tokens are counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float | None = None


class OpenRouterBody(BaseModel):
    """OpenRouter's response: `created` in Unix seconds, and images in the order of their seeds."""

    created: int
    usage: OpenRouterUsage
    data: list[OpenRouterImage]


_RESPONSES: dict[str, Any] = {
    "response_model": ImagesBody,
    "responses": {
        200: {"headers": ANSWER_HEADERS, "content": EVENTS},
        **JOB_ANSWER,
        **refusals(404, 409, 410, 413, 415, 502, 503, 504),
    },
}


_OPENROUTER_RESPONSES = _RESPONSES | {"response_model": OpenRouterBody}


def make_openai_router(generation: HttpGeneration, jobs: HttpJobs) -> APIRouter:
    """Serve the routes on which OpenAI's clients generate images."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    images = OpenAiImages(generation, jobs)

    @router.post("/images", openapi_extra=GENERATION, **_OPENROUTER_RESPONSES)
    async def generate_for_openrouter(request: Request) -> Response:
        """Generate images for OpenRouter's clients: bytes, unless URLs are requested."""
        wanted = images.read(request, read_object(request), only_bytes=True)
        return await images.answer(
            request, wanted, request.state.body, event=GENERATED, shape=AnswerShape.OPENROUTER
        )

    @router.post("/images/generations", openapi_extra=GENERATION, **_RESPONSES)
    async def generate_images(request: Request) -> Response:
        """Generate images from a prompt and, if there are any, reference images."""
        wanted = images.read(request, read_object(request))
        return await images.answer(request, wanted, request.state.body, event=GENERATED)

    @router.post("/images/edits", openapi_extra=EDIT, **_RESPONSES)
    async def edit_images(request: Request) -> Response:
        """Generate images from a prompt and reference images."""
        if is_json(request):
            wanted = images.read(request, read_object(request), reference_required=True)
            return await images.answer(request, wanted, request.state.body, event=EDITED)
        form = await read_form(request)
        wanted = images.read(request, form.fields, form.images, reference_required=True)
        return await images.answer(request, wanted, form.identity, event=EDITED)

    for path in UNSERVED:
        router.add_api_route(path, _refuse, methods=["POST"], include_in_schema=False)
    return router


async def _refuse(request: Request) -> Response:
    path = request.url.path
    instead = UNSERVED[path.removeprefix("/v1")]
    return not_found(f"{path} is not served here. Images are made by {instead}.")
