"""A stored image has the same JSON in the CLI, over HTTP and over MCP."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mcp.client import Client
from tests.support.running_service import serving

from stills.app import Stills
from stills.cli.commands.serve import mount_mcp
from stills.contract.request import ImageRequest
from stills.http.settings import Settings


async def run_stills(*arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stills", *arguments, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    return json.loads(output)


async def test_an_image_has_the_same_json_in_the_cli_http_and_mcp(
    stills: Stills,
    make_stills,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The names and values are equal; only the URL depends on the client."""
    result = await stills.generate(ImageRequest(prompt="a red kite", size="512*512", seed=3))
    monkeypatch.setenv("STILLS_CATALOG", str(tmp_path / "stills.db"))
    monkeypatch.setenv("STILLS_STORE", str(tmp_path / "images"))
    shown = await run_stills("show", result.id, "--json")
    listed = await run_stills("list", "--json")
    settings = Settings(model="qwen-image-max")
    async with (
        serving(await make_stills(), settings, mounts={"/mcp": mount_mcp}) as url,
        aiohttp.ClientSession() as http,
        Client(f"{url}/mcp") as client,
    ):
        async with http.get(f"{url}/v1/images/{result.id}") as answer:
            over_http = await answer.json()
        tool_result = await client.call_tool("image_show", {"id": result.id})
    over_mcp = tool_result.structured_content
    assert shown["image_url"] == result.image_url
    assert over_http["image_url"] == over_mcp["image_url"] == f"{url}/images/{result.id}.png"
    assert over_http == over_mcp == shown | {"image_url": over_http["image_url"]}
    assert listed == {name: value for name, value in shown.items() if name != "sends"}
    assert shown.keys() >= {"width", "height", "byte_count", "created_at", "sha256", "price_usd"}
    (send,) = shown["sends"]
    assert send.keys() == {"sent_at", "billing", "code", "request_id"}
    created_at = datetime.fromisoformat(shown["created_at"])
    sent_at = datetime.fromisoformat(send["sent_at"])
    assert created_at.tzinfo is not None
    assert created_at <= sent_at <= datetime.now(UTC)
