"""FastMCP's client: over HTTP, and over the standard streams of `stills mcp`."""

import base64
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError
from steps import report, size


async def over(server):
    """List the tools, make an image, read it as a resource, and ask for an impossible one."""
    async with Client(server) as client:
        tools = [tool.name for tool in await client.list_tools()]
        arguments = {"prompt": "a red kite", "size": "512x512"}
        made = await client.call_tool("image_generate", arguments)
        link = next(part.uri for part in made.content if part.type == "resource_link")
        image = (await client.read_resource(link))[0]
        try:
            await client.call_tool("image_generate", {"prompt": "", "size": "512x512"})
            refused = False
        except ToolError:
            refused = True
        return {
            "tools": "image_generate" in tools,
            "answer": [made.structured_content["width"], made.structured_content["height"]],
            "resource": size(base64.b64decode(image.blob)),
            "refused": refused,
        }


async def http():
    return await over(sys.argv[1])


async def stdio():
    command, *arguments = sys.argv[2:]
    return await over(StdioTransport(command, arguments, env=dict(os.environ)))


report(http, stdio)
