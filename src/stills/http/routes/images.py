"""What the catalog holds, as JSON."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.app import Stills
from stills.contract.generation import Image, Send
from stills.contract.models import SEED_MAX
from stills.contract.search import ImageSearch
from stills.http.errors import not_found
from stills.http.openapi import refusals

ImageUrl = Callable[[Request, str], str]
"""Says where the image of an id opens for a caller."""


class ImageRecord(BaseModel):
    """One kept image; `created_at` is ISO 8601 in UTC, `sha256` of the PNG in hex."""

    id: str
    image_url: str
    width: int
    height: int
    seed: int
    prompt: str
    negative_prompt: str | None
    style: str | None
    model: str
    provider: str
    native_size: str
    sha256: str
    byte_count: int
    created_at: datetime
    notes: list[str]


class SendRecord(BaseModel):
    """One line of the ledger: what was sent for an image, and what became of it."""

    sent_at: datetime
    billing: Literal["none", "possible", "billed"]
    code: str
    request_id: str | None


class ImageDetail(ImageRecord):
    """One kept image, and the sends that paid for it."""

    sends: list[SendRecord]


class ImageList(BaseModel):
    """A page of images, the newest first; `next_cursor` is for the next page."""

    object: Literal["list"] = "list"
    data: list[ImageRecord]
    has_more: bool
    next_cursor: str | None


def make_images_router(stills: Stills, image_url: ImageUrl) -> APIRouter:
    """Serve what the catalog knows."""
    router = APIRouter(prefix="/v1", tags=["images"])

    @router.get("/images", responses=refusals())
    async def list_images(  # noqa: PLR0917 - FastAPI calls it by name
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
        q: Annotated[str | None, Query(max_length=800, description="In the prompt.")] = None,
        model: Annotated[str | None, Query(max_length=100)] = None,
        provider: Annotated[str | None, Query(max_length=100)] = None,
        style: Annotated[str | None, Query(max_length=800)] = None,
        seed: Annotated[int | None, Query(ge=0, le=SEED_MAX)] = None,
    ) -> ImageList:
        """List kept images, the newest first."""
        search = ImageSearch(q, model, provider, style, seed)
        page = await stills.images.search(search, limit=limit, cursor=cursor)
        records = [
            ImageRecord(**_record(image, image_url(request, image.rendition.id)))
            for image in page.images
        ]
        return ImageList(
            data=records, has_more=page.next_cursor is not None, next_cursor=page.next_cursor
        )

    @router.get("/images/{image_id}", response_model=ImageDetail, responses=refusals(404))
    async def show_image(request: Request, image_id: str) -> Response:
        """Show one image, and what it cost to make."""
        image = await stills.images.find(image_id)
        if image is None:
            return not_found("There is no such image; /v1/images lists them.")
        sends = [SendRecord(**_line(send)) for send in await stills.images.list_sends(image)]
        detail = ImageDetail(**_record(image, image_url(request, image_id)), sends=sends)
        return JSONResponse(detail.model_dump(mode="json"))

    return router


def _record(image: Image, url: str) -> dict[str, Any]:
    rendition, generation = image.rendition, image.generation
    spec = generation.spec
    return {
        "id": rendition.id,
        "image_url": url,
        "width": rendition.size.width,
        "height": rendition.size.height,
        "seed": spec.seed,
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "style": spec.style,
        "model": spec.model,
        "provider": spec.provider,
        "native_size": str(spec.native_size),
        "sha256": rendition.sha256,
        "byte_count": rendition.byte_count,
        "created_at": datetime.fromtimestamp(generation.created_at, UTC),
        "notes": list(generation.notes),
    }


def _line(send: Send) -> dict[str, Any]:
    return {
        "sent_at": datetime.fromtimestamp(send.sent_at, UTC),
        "billing": send.billing.value,
        "code": send.code,
        "request_id": send.request_id,
    }
