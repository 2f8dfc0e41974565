"""The MCP server: tools and resources, the same over standard input and HTTP."""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import Billing, InvalidRequest, StillsError
from stills.contract.generation import Image
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.mcp.errors import describe_error, describe_unexpected
from stills.mcp.progress import OnPlace, progress
from stills.mcp.records import image_record, result_record, send_record, summary
from stills.mcp.schemas import GENERATE, LIST, LIST_DEFAULT, LIST_MAX, SHOW, TEMPLATE

Context = ServerRequestContext[dict[str, Any], Any]
ImageUrl = Callable[[Request, str], str]
"""Says where the image of an id opens for a caller over HTTP."""
Ask = Callable[[Request, ImageRequest, str | None, OnPlace], Awaitable[ImageResult]]
"""Gets an image of a model, None for the default, for a caller over HTTP; tells the stages."""

_URI = "stills://images/"
_INSTRUCTIONS = (
    "Images for video pipelines and other work. image_generate makes one image of exactly the size "
    "asked for and keeps it; the same arguments give the same image again, free of charge. "
    "Change the seed for a variation."
)
_LOG = logging.getLogger("stills.mcp")


def make_server(
    stills: Stills,
    *,
    image_url: ImageUrl | None = None,
    ask: Ask | None = None,
    stop: asyncio.Event | None = None,
) -> Server[dict[str, Any]]:
    """Make the server of one process; whoever made `stills` closes it.

    `image_url` says where images open and `ask` gets them, for callers over HTTP alone. Without,
    they open where the store says, and `stills` is asked. Once `stop` is set, it sends nothing
    more.
    """
    tools = Tools(stills, image_url=image_url, ask=ask, stop=stop)
    return Server(
        "stills",
        title="Stills",
        version=version("stills"),
        instructions=_INSTRUCTIONS,
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
        on_list_resources=tools.list_resources,
        on_list_resource_templates=tools.list_resource_templates,
        on_read_resource=tools.read_resource,
    )


class Tools:
    """Answers what clients ask."""

    def __init__(
        self,
        stills: Stills,
        *,
        image_url: ImageUrl | None,
        ask: Ask | None,
        stop: asyncio.Event | None,
    ) -> None:
        self._stills = stills
        self._image_url = image_url
        self._ask_remotely = ask
        self._stop = stop

    async def list_tools(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """List the tools."""
        return types.ListToolsResult(tools=[GENERATE, LIST, SHOW])

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Carry out a tool; what goes wrong is its answer."""
        tools = {GENERATE.name: self._generate, LIST.name: self._list, SHOW.name: self._show}
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(
                types.INVALID_PARAMS, f"no tool {params.name[:60]!r}; there are {', '.join(tools)}"
            )
        try:
            return await tool(context, params.arguments or {})
        except StillsError as error:
            text = describe_error(error, is_remote=context.request is not None)
        except Exception as error:  # noqa: BLE001 - a client is told no more than that it happened
            # Its words and its traceback may hold paths of this machine: only at the level DEBUG.
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
            raise _failed(error, context) from None
        return types.ListResourcesResult(
            resources=[types.Resource(**_resource(image)) for image in images]
        )

    async def list_resource_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Say how an image's resource is named."""
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Give the PNG of an image."""
        try:
            image = await self._find(params.uri.removeprefix(_URI))
            png = await self._stills.images.read(image)
        except StillsError as error:
            raise _failed(error, context) from None
        blob = await asyncio.to_thread(_base64, png)
        contents = types.BlobResourceContents(uri=params.uri, mime_type="image/png", blob=blob)
        return types.ReadResourceResult(contents=[contents])

    async def _generate(
        self, context: Context, arguments: Mapping[str, Any]
    ) -> types.CallToolResult:
        given = dict(arguments)
        model = _read_model(given.pop("model", None))
        request = await self._with_own_image(ImageRequest.from_mapping(given))
        async with progress(context.session.report_progress) as on_place:
            result = await self._ask(context, request, model, on_place)
        try:
            image = await self._find(result.id)
        except StillsError as error:
            if result.cached:
                raise
            raise error.with_(billing=Billing.BILLED) from error
        opens = self._opens(context, image)
        content: list[types.ContentBlock] = [types.ResourceLink(**_resource(image))]
        content += await self._thumbnail(image)
        content.append(types.TextContent(text=summary(result, opens)))
        return types.CallToolResult(
            content=content, structured_content=result_record(result, opens)
        )

    async def _with_own_image(self, request: ImageRequest) -> ImageRequest:
        """Read a reference that is one of our own resources."""
        given = request.reference_image
        if not isinstance(given, str) or not given.startswith(_URI):
            return request
        image = await self._find(given.removeprefix(_URI))
        return replace(request, reference_image=await self._stills.images.read(image))

    async def _ask(
        self, context: Context, request: ImageRequest, model: str | None, on_place: OnPlace
    ) -> ImageResult:
        # The SDK cancels a task that is given up again and again, until it ends: the pipeline is
        # told once, in a task of its own, and has the time to tidy up.
        asking = asyncio.create_task(self._begin(context, request, model, on_place))
        try:
            await asyncio.wait({asking})
        finally:
            asking.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({asking})
        return asking.result()

    async def _begin(
        self, context: Context, request: ImageRequest, model: str | None, on_place: OnPlace
    ) -> ImageResult:
        if context.request is not None and self._ask_remotely is not None:
            return await self._ask_remotely(context.request, request, model, on_place)
        return await self._stills.generate(
            request, model=model, stop=self._stop, on_stage=lambda stage: on_place(stage, 0)
        )

    async def _list(self, context: Context, arguments: Mapping[str, Any]) -> types.CallToolResult:
        _check_names(arguments, ["limit"])
        limit = arguments.get("limit", LIST_DEFAULT)
        if type(limit) is not int or not 1 <= limit <= LIST_MAX:
            raise InvalidRequest(
                "limit is no number in range",
                field="limit",
                action=f"Give a whole number from 1 to {LIST_MAX}.",
            )
        images = await self._stills.images.list(limit=limit)
        records = [image_record(image, self._opens(context, image)) for image in images]
        lines = [
            f"{record['id']}: {record['width']}*{record['height']}, {record['prompt'][:80]}"
            for record in records
        ]
        text = types.TextContent(text="\n".join(lines) or "nothing is kept yet")
        return types.CallToolResult(content=[text], structured_content={"images": records})

    async def _show(self, context: Context, arguments: Mapping[str, Any]) -> types.CallToolResult:
        _check_names(arguments, ["id"])
        image = await self._find(arguments.get("id"))
        record = image_record(image, self._opens(context, image))
        record["sends"] = [
            send_record(send) for send in await self._stills.images.list_sends(image)
        ]
        content: list[types.ContentBlock] = [types.ResourceLink(**_resource(image))]
        content += await self._thumbnail(image)
        content.append(
            types.TextContent(
                text="\n".join(
                    f"{name}: {value}" for name, value in record.items() if name != "sends"
                )
            )
        )
        return types.CallToolResult(content=content, structured_content=record)

    async def _find(self, image_id: object) -> Image:
        if not isinstance(image_id, str):
            raise InvalidRequest(
                "id is missing", field="id", action="image_list shows the ids of all images."
            )
        image = await self._stills.images.find(image_id)
        if image is None:
            raise InvalidRequest(
                f"no image has the id {image_id[:60]!r}",
                field="id",
                action="image_list shows the ids.",
            )
        return image

    def _opens(self, context: Context, image: Image) -> str:
        if context.request is not None and self._image_url is not None:
            return self._image_url(context.request, image.rendition.id)
        return self._stills.images.url(image)

    async def _thumbnail(self, image: Image) -> Sequence[types.ImageContent]:
        """Make a picture for the agent's eyes; nothing if it can't be made."""
        try:
            jpeg = await self._stills.images.thumbnail(image)
        except StillsError as error:
            _LOG.warning("no thumbnail of %s: %s", image.rendition.id, error.code)
            return []
        return [types.ImageContent(data=_base64(jpeg), mime_type="image/jpeg")]


def _failed(error: StillsError, context: Context) -> MCPError:
    code = types.INVALID_PARAMS if isinstance(error, InvalidRequest) else types.INTERNAL_ERROR
    return MCPError(code, describe_error(error, is_remote=context.request is not None))


def _resource(image: Image) -> dict[str, Any]:
    spec, rendition = image.generation.spec, image.rendition
    return {
        "name": f"{rendition.id}.png",
        "uri": f"{_URI}{rendition.id}",
        "description": " ".join(spec.prompt.split())[:200],
        "mime_type": "image/png",
        "size": rendition.byte_count,
    }


def _read_model(given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidRequest("model is not text", field="model", action="Give an exact id.")
    return given


def _check_names(arguments: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in arguments:
        if name not in known:
            raise InvalidRequest(
                f"unknown argument {name[:40]!r}",
                field=name[:40],
                action=f"Give {', '.join(known)} alone.",
            )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
