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
    """Yield the application of one path; it does not check API keys."""
    manager = StreamableHTTPSessionManager(
        server, stateless=True, max_request_body_size=body_max_bytes
    )
    async with manager.run():
        yield _PostOnly(manager.handle_request)


class _PostOnly:
    """Refuses GET, which waits for messages that a server without sessions never sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        await self._app(scope, receive, send)
