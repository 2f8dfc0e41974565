"""The tools and resources of the MCP server."""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.errors import Billing, InvalidRequest, NotFound, StillsError, UsageError
from stills.contract.generation import Image
from stills.contract.image_address import URI_PREFIX, image_uri
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.takes import check_takes
from stills.mcp.errors import describe_error, describe_unexpected
from stills.mcp.job_schemas import JOB_STATUS, JOB_SUBMIT
from stills.mcp.job_tools import JobTools
from stills.mcp.progress import report_progress
from stills.mcp.schemas import (
    DELETE,
    GENERATE,
    LIST,
    LIST_DEFAULT,
    LIST_MAX,
    SHOW,
    TEMPLATE,
    TOOLS,
    with_models,
)
from stills.service.deletion import AFTERWARDS
from stills.service.progress import OnTakeProgress
from stills.service.records import image_record, result_record, send_record, summarize

Context = ServerRequestContext[dict[str, Any], Any]
ImageUrl = Callable[[Any, str, str], str]
"""Returns where the client of an HTTP request can open the image of an id."""

FindOwner = Callable[[Any], BudgetOwner | None]
"""Returns the owner of the API key of an HTTP request, None without one."""

Delete = Callable[[Any, str], Awaitable[None]]
"""Deletes the image of an id; the HTTP request is None over standard input."""


class Generate(Protocol):
    """Generates the takes of a request."""

    async def __call__(
        self,
        http_request: Any,  # noqa: ANN401 - MCP does not know the HTTP library
        request: ImageRequest,
        /,
        *,
        takes: int,
        model: str | None,
        fresh: bool,
        on_progress: OnTakeProgress,
    ) -> Sequence[ImageResult]:
        """Return the takes; `http_request` is None over standard input, `model` for the default."""
        ...


_LOG = logging.getLogger("stills.mcp")


class Tools:
    """Carries out what clients call."""

    def __init__(
        self,
        stills: Stills,
        *,
        generate: Generate,
        delete: Delete,
        image_url: ImageUrl | None,
        find_owner: FindOwner,
    ) -> None:
        self._stills = stills
        self._jobs = JobTools(stills)
        self._find_owner = find_owner
        self._generate_images = generate
        self._delete_image = delete
        self._image_url = image_url

    async def list_tools(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """List the tools."""
        generate, *others = TOOLS
        return types.ListToolsResult(tools=[with_models(generate, self._stills.models), *others])

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Carry out a tool; an error becomes its result."""
        tools = {
            GENERATE.name: self._generate,
            LIST.name: self._list,
            SHOW.name: self._show,
            DELETE.name: self._delete,
            JOB_SUBMIT.name: self._submit_job,
            JOB_STATUS.name: self._show_job,
        }
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(
                types.INVALID_PARAMS,
                f"unknown tool {params.name[:60]!r}; the tools are {', '.join(tools)}",
            )
        try:
            return await tool(context, params.arguments or {})
        except StillsError as error:
            text = describe_error(error, is_remote=context.request is not None)
        except Exception as error:  # noqa: BLE001 - the client only learns that it failed
            # The message and the traceback may hold paths of this machine: only at level DEBUG.
            _LOG.error("%s failed: %s", params.name, type(error).__name__)
            _LOG.debug("%s", params.name, exc_info=error)
            text = describe_unexpected()
        return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)

    async def list_resources(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """List the newest images."""
        try:
            images = await self._stills.images.list(limit=LIST_MAX)
        except StillsError as error:
            raise _mcp_error(error, context) from None
        return types.ListResourcesResult(
            resources=[types.Resource(**_resource(image)) for image in images]
        )

    async def list_resource_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """List the one template, for the resource of an image."""
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Return the PNG of an image."""
        try:
            image = await self._find(params.uri.removeprefix(URI_PREFIX))
            png = await self._stills.images.read(image)
        except StillsError as error:
            raise _mcp_error(error, context) from None
        blob = await asyncio.to_thread(_base64, png)
        contents = types.BlobResourceContents(uri=params.uri, mime_type="image/png", blob=blob)
        return types.ReadResourceResult(contents=[contents])

    async def _generate(
        self, context: Context, arguments: Mapping[str, Any]
    ) -> types.CallToolResult:
        fields = dict(arguments)
        model = _read_model(fields.pop("model", None))
        fresh = _read_fresh(fields.pop("fresh", None))
        takes = fields.pop("takes", None)
        number = 1 if takes is None else check_takes(takes)
        request = ImageRequest.from_mapping(fields)
        async with report_progress(context.session.report_progress) as on_progress:
            results = await _run_cancellable(
                self._generate_images(
                    context.request,
                    request,
                    takes=number,
                    model=model,
                    fresh=fresh,
                    on_progress=lambda _, stage, position: on_progress(stage, position),
                )
            )
        content: list[types.ContentBlock] = []
        records = []
        for result in results:
            image = await self._find_result(result)
            url = self._url(context, image, result.image_url)
            content.append(types.ResourceLink(**_resource(image)))
            content += await self._thumbnail(image)
            content.append(types.TextContent(text=summarize(result, url)))
            records.append(result_record(result, url))
        structured = records[0] if takes is None else records[0] | {"takes": records}
        return types.CallToolResult(content=content, structured_content=structured)

    async def _find_result(self, result: ImageResult) -> Image:
        try:
            return await self._find(result.id)
        except StillsError as error:
            if result.cached:
                raise
            raise error.with_(billing=Billing.BILLED) from error

    async def _list(self, context: Context, arguments: Mapping[str, Any]) -> types.CallToolResult:
        _check_names(arguments, ["limit"])
        limit = arguments.get("limit", LIST_DEFAULT)
        if type(limit) is not int or not 1 <= limit <= LIST_MAX:
            raise InvalidRequest(
                "limit is not a number in range",
                field="limit",
                action=f"Use a whole number from 1 to {LIST_MAX}.",
            )
        images = await self._stills.images.list(limit=limit)
        links = await self._stills.images.links(images)
        records = [
            image_record(image, self._url(context, image, link))
            for image, link in zip(images, links, strict=True)
        ]
        lines = [
            f"{record['id']}: {record['width']}*{record['height']}, {record['prompt'][:80]}"
            for record in records
        ]
        text = types.TextContent(text="\n".join(lines) or "No images are stored yet.")
        return types.CallToolResult(content=[text], structured_content={"images": records})

    async def _show(self, context: Context, arguments: Mapping[str, Any]) -> types.CallToolResult:
        _check_names(arguments, ["id"])
        image = await self._find(_read_id(arguments.get("id")))
        (link,) = await self._stills.images.links([image])
        record = image_record(image, self._url(context, image, link))
        lines = [f"{name}: {value}" for name, value in record.items()]
        record["sends"] = [
            send_record(send) for send in await self._stills.images.list_sends(image)
        ]
        content: list[types.ContentBlock] = [types.ResourceLink(**_resource(image))]
        content += await self._thumbnail(image)
        content.append(types.TextContent(text="\n".join(lines)))
        return types.CallToolResult(content=content, structured_content=record)

    async def _delete(self, context: Context, arguments: Mapping[str, Any]) -> types.CallToolResult:
        _check_names(arguments, ["id"])
        image_id = _read_id(arguments.get("id"))
        await self._delete_image(context.request, image_id)
        text = f"Deleted {image_id} in all its sizes. {AFTERWARDS}"
        return types.CallToolResult(
            content=[types.TextContent(text=text)],
            structured_content={"id": image_id, "deleted": True},
        )

    async def _submit_job(
        self, context: Context, arguments: Mapping[str, Any]
    ) -> types.CallToolResult:
        return await self._jobs.submit(arguments, self._find_owner(context.request))

    async def _show_job(
        self, context: Context, arguments: Mapping[str, Any]
    ) -> types.CallToolResult:
        _check_names(arguments, ["id", "cursor", "limit"])
        return await self._jobs.show(
            arguments,
            self._find_owner(context.request),
            lambda result: self._open_url(context, result.id, result.image_url),
        )

    async def _find(self, image_id: str) -> Image:
        image = await self._stills.images.find(image_id)
        if image is None:
            raise NotFound(f"no image has the id {image_id[:60]!r}", field="id")
        return image

    def _url(self, context: Context, image: Image, link: str) -> str:
        return self._open_url(context, image.rendition.id, link)

    def _open_url(self, context: Context, image_id: str, link: str) -> str:
        if context.request is not None and self._image_url is not None:
            return self._image_url(context.request, image_id, link)
        return link

    async def _thumbnail(self, image: Image) -> Sequence[types.ImageContent]:
        """Return a small picture that the agent can see, or nothing if that fails."""
        try:
            jpeg = await self._stills.images.thumbnail(image)
        except StillsError as error:
            _LOG.warning("no thumbnail of %s: %s", image.rendition.id, error.code)
            return []
        return [types.ImageContent(data=_base64(jpeg), mime_type="image/jpeg")]


async def _run_cancellable(
    generating: Awaitable[Sequence[ImageResult]],
) -> Sequence[ImageResult]:
    """Await in a task that is cancelled once: the SDK cancels its own again and again.

    The pipeline then has the time to clean up.
    """
    task = asyncio.ensure_future(generating)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task})
    return task.result()


def _mcp_error(error: StillsError, context: Context) -> MCPError:
    code = types.INVALID_PARAMS if isinstance(error, UsageError) else types.INTERNAL_ERROR
    return MCPError(code, describe_error(error, is_remote=context.request is not None))


def _resource(image: Image) -> dict[str, Any]:
    spec, rendition = image.generation.spec, image.rendition
    return {
        "name": f"{rendition.id}.png",
        "uri": image_uri(rendition.id),
        "description": " ".join(spec.prompt.split())[:200],
        "mime_type": "image/png",
        "size": rendition.byte_count,
    }


def _read_model(model: object) -> str | None:
    if model is not None and not isinstance(model, str):
        raise InvalidRequest("model is not text", field="model", action="Use an exact id.")
    return model


def _read_fresh(fresh: object) -> bool:
    if fresh is not None and not isinstance(fresh, bool):
        raise InvalidRequest(
            "fresh is neither true nor false",
            field="fresh",
            action="Use true to pay for a new image, or leave it out.",
        )
    return fresh is True


def _read_id(image_id: object) -> str:
    if not isinstance(image_id, str):
        raise InvalidRequest(
            "id is missing", field="id", action="image_list shows the ids of all images."
        )
    return image_id


def _check_names(arguments: Mapping[str, Any], known: Sequence[str]) -> None:
    noun = "only argument is" if len(known) == 1 else "arguments are"
    for name in arguments:
        if name not in known:
            raise InvalidRequest(
                f"unknown argument {name[:40]!r}",
                field=name[:40],
                action=f"The {noun} {', '.join(known)}.",
            )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
