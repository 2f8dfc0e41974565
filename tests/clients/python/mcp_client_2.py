"""Version 2 of the MCP package: over HTTP, and over the standard streams of `stills mcp`."""

import base64
import os
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from steps import report, size


async def over(server):
    """List the tools, make an image, read it as a resource, and ask for an impossible one."""
    async with Client(server) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        arguments = {"prompt": "a red kite", "size": "512x512"}
        made = await client.call_tool("image_generate", arguments)
        assert not made.is_error, made.content
        link = next(part.uri for part in made.content if part.type == "resource_link")
        image = (await client.read_resource(link)).contents[0]
        refused = await client.call_tool("image_generate", {"prompt": "", "size": "512x512"})
        return {
            "tools": "image_generate" in tools,
            "answer": [made.structured_content["width"], made.structured_content["height"]],
            "resource": size(base64.b64decode(image.blob)),
            "refused": refused.is_error,
        }


async def http():
    return await over(sys.argv[1])


async def stdio():
    command, *arguments = sys.argv[2:]
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    return await over(stdio_client(server))


report(http, stdio)
