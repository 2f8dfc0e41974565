"""What each version of the MCP package does: list, make, read, and ask for the impossible."""

import base64
import os
import sys

from steps import report, size

URL, COMMAND, *ARGUMENTS = sys.argv[1:]


def report_both(connect, parameters_of, over_http, over_stdio):
    """Take the steps over HTTP, and over the standard streams of `stills mcp`.

    `connect` is a context of a session on a transport, which the others make.
    """

    async def http():
        async with connect(over_http(URL)) as session:
            return await _over(session)

    async def stdio():
        server = parameters_of(command=COMMAND, args=ARGUMENTS, env=dict(os.environ))
        async with connect(over_stdio(server)) as session:
            return await _over(session)

    report(http, stdio)


async def _over(session):
    tools = [tool.name for tool in (await session.list_tools()).tools]
    arguments = {"prompt": "a red kite", "size": "512x512"}
    made = await session.call_tool("image_generate", arguments)
    assert not _read(made, "is_error", "isError"), made.content
    answer = _read(made, "structured_content", "structuredContent")
    link = next(part.uri for part in made.content if part.type == "resource_link")
    image = (await session.read_resource(link)).contents[0]
    refused = await session.call_tool("image_generate", {**arguments, "prompt": ""})
    return {
        "tools": "image_generate" in tools,
        "answer": [answer["width"], answer["height"]],
        "resource": size(base64.b64decode(image.blob)),
        "refused": _read(refused, "is_error", "isError"),
    }


def _read(result, *names):
    """Return an attribute that has another name in each version."""
    return next(getattr(result, name) for name in names if hasattr(result, name))
