"""The routes of the gallery: a page of images, a page for each image, and its files."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stills.app import Stills
from stills.contract.errors import InvalidRequest, NotFound, StillsError
from stills.contract.generation import Image
from stills.contract.search import ImageLabels, ImageSearch
from stills.contract.size import Size, parse_size
from stills.gallery.copy_as import copy_request
from stills.gallery.document import Visit
from stills.gallery.image_page import FORMATS, ShownImage, render_image
from stills.gallery.list_page import PAGE_IMAGES, ImageListing, render_list
from stills.gallery.message_page import render_message
from stills.gallery.search_form import SearchForm
from stills.http.access_log import get_log_entry
from stills.http.auth import get_budget_owner
from stills.http.errors import describe, status_of
from stills.http.page_answer import PRIVATE, page_answer
from stills.http.paths import root_of
from stills.http.settings import Settings

_QUALITY = 90
_TAKES_MAX = 24
_SEARCHED_MAX = 100  # takes are found among the images with the same prompt
_THUMBNAIL_CACHING = "private, max-age=604800"

Answer = Callable[[Request], Awaitable[Response]]


class GalleryRoutes:
    """Answers the requests for the pages of stored images. Nothing here is billed."""

    def __init__(self, stills: Stills, settings: Settings) -> None:
        self._stills = stills
        self._settings = settings

    def list(self) -> list[Route]:
        """Return the routes."""
        image = "/gallery/{image_id}"
        return [
            Route(path, self._with_error_page(answer), methods=["GET"], include_in_schema=False)
            for path, answer in (
                ("/", self._list),
                ("/gallery", self._to_list),
                (image, self._image),
                (f"{image}/thumbnail.jpg", self._thumbnail),
                (f"{image}/download", self._download),
            )
        ]

    def _with_error_page(self, answer: Answer) -> Answer:
        """Answer errors of ours with a page for people."""

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except StillsError as error:
                get_log_entry(request).error = error.code
                page = render_message(describe(error), self._visit(request))
                return page_answer(page, status_of(error))

        return answered

    async def _to_list(self, _: Request) -> Response:
        return RedirectResponse("./", status_code=307)

    async def _list(self, request: Request) -> Response:
        form = SearchForm.read(request.query_params)
        try:
            listing, status = await self._search(form, request), 200
        except InvalidRequest as error:
            reason = f"{error.message.rstrip('.')}. {error.action}"
            listing, status = ImageListing([], await self._labels(), error=reason), 400
        page = render_list(
            listing,
            form,
            self._visit(request),
            base_url=self._base_url(request),
            needs_key=get_budget_owner(request) is not None,
        )
        return page_answer(page, status)

    async def _search(self, form: SearchForm, request: Request) -> ImageListing:
        """Return the page of images that an address names.

        Raises:
            InvalidRequest: it names a day that is not a date.
        """
        older, newer = (request.query_params.get(name) for name in ("older", "newer"))
        search, labels = form.search(), await self._labels()
        if newer:
            found = await self._find(replace(search, newer_than=newer), PAGE_IMAGES + 1)
            if len(found) > PAGE_IMAGES:
                return _list_between(found[1:], labels, has_newer=True, has_older=True)
            older = None  # the first page, which is as long as any
        found = await self._find(replace(search, older_than=older or None), PAGE_IMAGES + 1)
        return _list_between(
            found[:PAGE_IMAGES],
            labels,
            has_newer=bool(older),
            has_older=len(found) > PAGE_IMAGES,
        )

    async def _image(self, request: Request) -> Response:
        image = await self._find_image(request)
        form = SearchForm.read(request.query_params)
        newer, older = await self._find_neighbours(form, image)
        owner = get_budget_owner(request)
        shown = ShownImage(
            image=image,
            sends=await self._stills.images.list_sends(image),
            sizes=await self._stills.images.list_sizes(image),
            takes=await self._find_takes(image),
            newer=newer,
            older=older,
            copied=copy_request(
                image, base_url=self._base_url(request), needs_key=owner is not None
            ),
        )
        return page_answer(render_image(shown, form, self._visit(request)))

    async def _thumbnail(self, request: Request) -> Response:
        image = await self._find_image(request)
        headers = {
            **PRIVATE,
            "Cache-Control": _THUMBNAIL_CACHING,
            "ETag": f'"{image.rendition.sha256}"',
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        small = await self._stills.images.small(image)
        return Response(small, headers=headers, media_type="image/jpeg")

    async def _download(self, request: Request) -> Response:
        image = await self._find_image(request)
        kind = FORMATS.get(name := request.query_params.get("format", "png"))
        if kind is None:
            raise InvalidRequest(
                f"format {name[:20]!r} is not supported",
                field="format",
                action=f"Use {', '.join(FORMATS)}.",
            )
        written = request.query_params.get("size", "")
        size = parse_size(written) if written else image.rendition.size
        data = await self._stills.images.fit(image, size, kind, quality=_QUALITY)
        file = quote(_name_file(image, size, name))
        headers = {**PRIVATE, "Content-Disposition": f"attachment; filename*=UTF-8''{file}"}
        return Response(data, headers=headers, media_type=str(kind))

    async def _find_image(self, request: Request) -> Image:
        image = await self._stills.images.find(request.path_params["image_id"])
        if image is None:
            raise NotFound("no image has this id", field="id")
        return image

    async def _find(self, search: ImageSearch, limit: int) -> Sequence[Image]:
        return (await self._stills.images.search(search, limit=limit)).images

    async def _labels(self) -> ImageLabels:
        return await self._stills.images.list_labels()

    async def _find_neighbours(
        self, form: SearchForm, image: Image
    ) -> tuple[Image | None, Image | None]:
        """Return the next newer and the next older image that match what was searched for."""
        try:
            search = form.search()
        except InvalidRequest:
            search = SearchForm().search()
        newer = await self._find(replace(search, newer_than=image.generation.id), 1)
        older = await self._find(replace(search, older_than=image.generation.id), 1)
        return next(iter(newer), None), next(iter(older), None)

    async def _find_takes(self, image: Image) -> Sequence[Image]:
        """Return the images of the same request, with all seeds and in any size, by their seeds."""
        spec = image.generation.spec
        search = ImageSearch(
            prompt=spec.prompt, model=spec.model, style=spec.style, largest_only=True
        )
        others = [
            one
            for one in await self._find(search, _SEARCHED_MAX)
            if one.generation.id != image.generation.id and _is_take(one, image)
        ]
        takes = [image, *others[:_TAKES_MAX]]
        return sorted(takes, key=lambda one: one.generation.spec.seed)

    def _visit(self, request: Request) -> Visit:
        owner = get_budget_owner(request)
        return Visit(
            root_of(request.url.path),
            None if owner is None else owner.name,
            self._settings.reviews,
        )

    def _base_url(self, request: Request) -> str:
        return self._settings.public_url or str(request.base_url).rstrip("/")


def _list_between(
    images: Sequence[Image], labels: ImageLabels, *, has_newer: bool, has_older: bool
) -> ImageListing:
    newer, older = (images[at].generation.id if images else None for at in (0, -1))
    return ImageListing(
        images, labels, newer=newer if has_newer else None, older=older if has_older else None
    )


def _is_take(one: Image, image: Image) -> bool:
    spec, other = image.generation.spec, one.generation.spec
    return (
        spec.style == other.style
        and spec.negative_prompt == other.negative_prompt
        and [reference.digest for reference in spec.references]
        == [reference.digest for reference in other.references]
    )


def _name_file(image: Image, size: Size, kind: str) -> str:
    """Return the name of an image in the store, with another size and format."""
    name = image.rendition.object_path.rpartition("/")[2].removesuffix(".png")
    own, new = (f"-{one.width}x{one.height}-seed" for one in (image.rendition.size, size))
    begin, found, end = name.rpartition(own)
    name = f"{begin}{new}{end}" if found else name
    return f"{name}.{'jpg' if kind == 'jpeg' else kind}"
