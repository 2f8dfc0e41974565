"""Who may delete an image: one rule for the HTTP route and the MCP tool."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.support.running_service import serving

from stills.app import Stills
from stills.cli.commands.serve import mount_mcp
from stills.contract.access import BudgetOwner
from stills.contract.request import ImageRequest
from stills.http.settings import Settings

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7)
REFUSED = "Only the API key that paid for an image may delete it"


class Refusal(NamedTuple):
    """An error as a caller reads it."""

    code: str
    message: str


class Caller:
    """Calls a service with a key, or without one."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def delete_over_http(self, image_id: str) -> Refusal | None:
        async with (
            aiohttp.ClientSession(headers=self.headers) as http,
            http.delete(f"{self.url}/v1/images/{image_id}") as answer,
        ):
            if answer.status == 200:
                return None
            error = (await answer.json())["error"]
            return Refusal(error["code"], error["message"])

    async def delete_over_mcp(self, image_id: str) -> Refusal | None:
        async with (
            httpx2.AsyncClient(headers=self.headers) as http,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=http)) as client,
        ):
            result = await client.call_tool("image_delete", {"id": image_id})
            if not result.is_error:
                return None
            code, _, message = result.content[0].text.partition(": ")
            return Refusal(code, message)


DELETIONS = pytest.mark.parametrize("delete", [Caller.delete_over_http, Caller.delete_over_mcp])


@asynccontextmanager
async def serve(stills: Stills, **settings: Any) -> AsyncIterator[str]:
    """Serve HTTP and MCP."""
    given = Settings(model="qwen-image-max", key_check_seconds=0.0, **settings)
    async with serving(stills, given, mounts={"/mcp": mount_mcp}) as url:
        yield url


@DELETIONS
async def test_a_key_does_not_delete_what_another_paid_for(
    stills: Stills, make_stills: Callable[..., Any], delete: Callable[..., Any]
):
    """Not even if it got the image free of charge; what no key paid for is deleted by none."""
    payer, other = await stills.keys.add("payer"), await stills.keys.add("other")
    unpaid = await stills.generate(KITE)
    request = ImageRequest(prompt="a blue kite", size="512*512")
    paid = await stills.generate(request, payer=BudgetOwner("payer"))
    shared = await stills.generate(request, payer=BudgetOwner("other"))
    assert shared.id == paid.id
    async with serve(await make_stills()) as url:
        for image, key in ((paid, other), (unpaid, payer)):
            refusal = await delete(Caller(url, key), image.id)
            assert refusal.code == "key_refused"
            assert refusal.message.startswith(REFUSED)
            assert "Nothing was deleted." in refusal.message
        assert await delete(Caller(url, payer), paid.id) is None
    assert [image.rendition.id for image in await stills.images.list()] == [unpaid.id]


@DELETIONS
async def test_without_keys_local_programs_delete_and_strangers_do_not(
    stills: Stills, make_stills: Callable[..., Any], delete: Callable[..., Any]
):
    """With --insecure, anyone can call, so no one may delete."""
    image = await stills.generate(KITE)
    async with serve(await make_stills(), anyone=True) as url:
        refusal = await delete(Caller(url, None), image.id)
        assert refusal.message.startswith(REFUSED)
    async with serve(await make_stills()) as url:
        assert await delete(Caller(url, None), image.id) is None
        assert (await delete(Caller(url, None), image.id)).code == "not_found"


async def test_a_deletion_over_mcp_empties_the_cache_of_files(
    stills: Stills, make_stills: Callable[..., Any]
):
    """The image's URL answers 404 afterwards."""
    image = await stills.generate(KITE)
    async with serve(await make_stills()) as url, aiohttp.ClientSession() as http:
        for status in (200, 404):
            async with http.get(f"{url}/images/{image.id}.png") as answer:
                assert answer.status == status
            await Caller(url, None).delete_over_mcp(image.id)
