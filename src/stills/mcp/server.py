"""The MCP server of one process, the same over standard input and HTTP."""

from importlib.metadata import version
from typing import Any

from mcp.server import Server

from stills.app import Stills
from stills.mcp.tools import Delete, FindOwner, Generate, ImageUrl, Tools

_INSTRUCTIONS = (
    "Still images for video pipelines and other work. image_generate generates one image of "
    "exactly the requested size and stores it; the same arguments return the same image again, "
    "free of charge. Change the seed to get a variation."
)


def make_server(
    stills: Stills,
    *,
    generate: Generate,
    delete: Delete,
    image_url: ImageUrl | None = None,
    find_owner: FindOwner = lambda _: None,
) -> Server[dict[str, Any]]:
    """Make the server; it does not close `stills`.

    `generate` generates images, and `delete` deletes one. `image_url` returns where a client over
    HTTP can open an image, given its id and the store's link; by default, that link. `find_owner`
    returns the owner of its API key.
    """
    tools = Tools(
        stills, generate=generate, delete=delete, image_url=image_url, find_owner=find_owner
    )
    return Server(
        "stills",
        title="Stills",
        version=version("stills"),
        instructions=_INSTRUCTIONS,
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
        on_list_resources=tools.list_resources,
        on_list_resource_templates=tools.list_resource_templates,
        on_read_resource=tools.read_resource,
    )
