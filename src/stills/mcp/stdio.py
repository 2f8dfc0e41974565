"""The MCP server over standard input and output."""

import asyncio

from mcp.server.stdio import stdio_server

from stills.app import Stills
from stills.mcp.server import make_server


async def serve_stdio(stills: Stills, stop: asyncio.Event) -> None:
    """Serve the one client that started this process, until it closes standard input.

    Once `stop` is set, nothing more is sent to the service.
    """
    server = make_server(stills, stop=stop)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
