"""Version 1 of the MCP package: over HTTP, and over the standard streams of `stills mcp`."""

import base64
import os
import sys
from contextlib import AsyncExitStack

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from steps import report, size


async def over(connect):
    """List the tools, make an image, read it as a resource, and ask for an impossible one."""
    async with AsyncExitStack() as stack:
        streams = await stack.enter_async_context(connect)
        session = await stack.enter_async_context(ClientSession(*streams[:2]))
        await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        arguments = {"prompt": "a red kite", "size": "512x512"}
        made = await session.call_tool("image_generate", arguments)
        assert not made.isError, made.content
        link = next(part.uri for part in made.content if part.type == "resource_link")
        image = (await session.read_resource(link)).contents[0]
        refused = await session.call_tool("image_generate", {"prompt": "", "size": "512x512"})
        return {
            "tools": "image_generate" in tools,
            "answer": [made.structuredContent["width"], made.structuredContent["height"]],
            "resource": size(base64.b64decode(image.blob)),
            "refused": refused.isError,
        }


async def http():
    return await over(streamablehttp_client(sys.argv[1]))


async def stdio():
    command, *arguments = sys.argv[2:]
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    return await over(stdio_client(server))


report(http, stdio)
