"""Stored images as JSON."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, WithJsonSchema
from starlette.responses import JSONResponse, Response

from stills.app import Stills
from stills.contract.errors import InvalidRequest
from stills.contract.models import SEED_MAX
from stills.contract.search import ImageSearch
from stills.http.deletion import HttpDeletion
from stills.http.errors import not_found
from stills.http.openapi import refusals
from stills.http.settings import Settings
from stills.service.records import image_record, send_record


class ReferenceImage(BaseModel):
    """A reference image that was sent: `digest` identifies it, `shown` is its name if known."""

    digest: str
    shown: str | None


class ImageRecord(BaseModel):
    """One stored image.

    `references` are in the order in which they were sent. `created_at` is ISO 8601 in UTC, `sha256`
    that of the PNG in hex. `price_usd` is the price of the generation, null if unknown.
    """

    id: str
    image_url: str
    width: int
    height: int
    seed: int
    prompt: str
    negative_prompt: str | None
    style: str | None
    prompt_extend: bool
    prompt_extend_mode: str | None
    enable_thinking: bool | None
    references: list[ReferenceImage]
    provider: str
    model: str
    native_size: str
    price_usd: float | None
    object_path: str
    byte_count: int
    sha256: str
    created_at: datetime
    notes: list[str]


class SendRecord(BaseModel):
    """One line of the ledger: an API call, and how it ended."""

    sent_at: datetime
    billing: Literal["none", "possible", "billed"]
    code: str
    request_id: str | None


class ImageDetail(ImageRecord):
    """One stored image, and the API calls that paid for it."""

    sends: list[SendRecord]


class ImageList(BaseModel):
    """A page of images, newest first; pass `next_cursor` as `cursor` to get the next page."""

    object: Literal["list"] = "list"
    data: list[ImageRecord]
    has_more: bool
    next_cursor: str | None


# Only described here: the catalog's own error says what to do.
_Cursor = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,18}-[0-9]{1,8}-[0-9]{1,8}$"})
]
_PARAMETERS = ("limit", "cursor", "q", "model", "provider", "style", "seed")


class DeletedImage(BaseModel):
    """An image that was deleted, in all its sizes."""

    id: str
    object: Literal["image"] = "image"
    deleted: Literal[True] = True


def make_images_router(stills: Stills, settings: Settings, deletion: HttpDeletion) -> APIRouter:
    """Serve the records of the catalog."""
    image_url = settings.image_url
    router = APIRouter(prefix="/v1", tags=["images"])

    @router.get("/images", response_model=ImageList, responses=refusals())
    async def list_images(  # noqa: PLR0917 - FastAPI calls it by name
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[_Cursor | None, Query()] = None,
        q: Annotated[str | None, Query(max_length=800, description="Text in the prompt.")] = None,
        model: Annotated[str | None, Query(max_length=100)] = None,
        provider: Annotated[str | None, Query(max_length=100)] = None,
        style: Annotated[str | None, Query(max_length=800)] = None,
        seed: Annotated[int | None, Query(ge=0, le=SEED_MAX)] = None,
    ) -> Response:
        """List stored images, newest first."""
        _refuse_unknown(request)
        search = ImageSearch(q, model, provider, style, seed)
        page = await stills.images.search(search, limit=limit, cursor=cursor)
        links = await stills.images.links(page.images)
        return JSONResponse(
            {
                "object": "list",
                "data": [
                    image_record(image, image_url(request, image.rendition.id, link))
                    for image, link in zip(page.images, links, strict=True)
                ],
                "has_more": page.next_cursor is not None,
                "next_cursor": page.next_cursor,
            }
        )

    @router.get("/images/{image_id}", response_model=ImageDetail, responses=refusals(404))
    async def show_image(request: Request, image_id: str) -> Response:
        """Show one image and the API calls that paid for it."""
        image = await stills.images.find(image_id)
        if image is None:
            return not_found("No image has this id; /v1/images lists all images.")
        sends = [send_record(send) for send in await stills.images.list_sends(image)]
        (link,) = await stills.images.links([image])
        record = image_record(image, image_url(request, image_id, link))
        return JSONResponse(record | {"sends": sends})

    @router.delete("/images/{image_id}", response_model=DeletedImage, responses=refusals(404, 503))
    async def delete_image(request: Request, image_id: str) -> Response:
        """Delete an image in all its sizes. An equal request is billed again."""
        await deletion.delete_and_log(request, image_id)
        return JSONResponse(DeletedImage(id=image_id).model_dump())

    return router


def _refuse_unknown(request: Request) -> None:
    """Refuse parameters that would otherwise be ignored, such as a misspelled filter."""
    for name in request.query_params:
        if name not in _PARAMETERS:
            raise InvalidRequest(
                f"unknown parameter {name[:40]!r}",
                field=name[:40],
                action=f"The parameters are {', '.join(_PARAMETERS)}.",
            )
