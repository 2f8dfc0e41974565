"""The MCP server over standard input and output."""

import asyncio
from collections.abc import Sequence

from mcp.server.stdio import stdio_server

from stills.app import Stills
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.mcp.server import make_server
from stills.service.deletion import delete_image
from stills.service.image_service import ImageService
from stills.service.progress import OnTakeProgress
from stills.service.takes import generate_takes


async def serve_stdio(stills: Stills, stop: asyncio.Event) -> None:
    """Serve the client that started this process, until it closes standard input.

    Once `stop` is set, nothing more is sent to the provider.
    """
    service = ImageService(stills, stop=stop)

    async def generate(
        _: object,
        request: ImageRequest,
        *,
        takes: int,
        model: str | None,
        fresh: bool,
        on_progress: OnTakeProgress,
    ) -> Sequence[ImageResult]:
        return await generate_takes(
            stills,
            request,
            lambda take, follow: service.generate(
                take.request,
                model=model,
                fresh=fresh,
                on_progress=follow,
                take=take,
            ),
            takes=takes,
            model=model,
            fresh=fresh,
            on_progress=on_progress,
        )

    async def delete(_: object, image_id: str) -> None:
        await delete_image(stills, image_id, owner=None, anyone=False)

    server = make_server(stills, generate=generate, delete=delete)
    try:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
    finally:
        await service.close()
