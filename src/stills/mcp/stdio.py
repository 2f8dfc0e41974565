"""The MCP server over standard input and output."""

from mcp.server.stdio import stdio_server

from stills.app import Stills
from stills.mcp.server import make_server


async def serve_stdio(stills: Stills) -> None:
    """Serve the one client that started this process, until it closes standard input."""
    server = make_server(stills)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
