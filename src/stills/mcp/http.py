"""The MCP server over streamable HTTP, without sessions: any worker answers any request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


@asynccontextmanager
async def make_http_app(server: Server[Any], *, body_max_bytes: int) -> AsyncIterator[ASGIApp]:
    """Give the application of one path, as long as the context is open; it checks no keys."""
    manager = StreamableHTTPSessionManager(
        server, stateless=True, max_request_body_size=body_max_bytes
    )
    async with manager.run():
        yield _PostAlone(manager.handle_request)


class _PostAlone:
    """Refuses GET, with which clients wait for what a server without sessions never tells."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        await self._app(scope, receive, send)
