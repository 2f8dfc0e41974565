"""Version 1 of the MCP package."""

from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp_steps import report_both


@asynccontextmanager
async def connect(transport):
    async with transport as streams, ClientSession(*streams[:2]) as session:
        await session.initialize()
        yield session


report_both(connect, StdioServerParameters, streamablehttp_client, stdio_client)
