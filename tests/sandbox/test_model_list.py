"""The list of models, as the SDK and other clients ask for it."""

import asyncio

import aiohttp
import dashscope
import pytest
from dashscope.models import Models

from stills.sandbox import Sandbox, SandboxSettings, SendKind
from stills.sandbox.rules import MODELS

KEY = {"Authorization": "Bearer sk-sandbox"}


async def get(sandbox: Sandbox, query: str = "", headers: dict[str, str] = KEY):
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{sandbox.base_url}/models{query}", headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_sdk_reads_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """Its own call lists a page of ids."""
    monkeypatch.setattr(dashscope, "base_http_api_url", sandbox.base_url)
    answer = await asyncio.to_thread(Models.list, page_size=3, api_key="sk-sandbox")
    assert [model["model"] for model in answer.output["models"]] == list(MODELS)[:3]
    assert answer.output["total"] == len(MODELS)


async def test_pages_follow_each_other_and_nothing_is_billed(sandbox: Sandbox):
    """The last page is shorter, and those after it are empty."""
    pages = [
        (await get(sandbox, f"?page_no={number}&page_size=7"))[1]["output"]["models"]
        for number in (1, 2, 3)
    ]
    assert [model["model"] for page in pages for model in page] == list(MODELS)
    assert pages[2] == []
    assert {send.kind for send in sandbox.ledger.sends} == {SendKind.MODEL_LIST}
    assert sandbox.ledger.billed_images == 0


async def test_a_retired_model_is_not_listed():
    """It is not served."""
    settings = SandboxSettings(retired_models=frozenset({"qwen-image-max"}))
    async with Sandbox(settings) as sandbox:
        _, answer = await get(sandbox, "?page_size=100")
    listed = {model["model"] for model in answer["output"]["models"]}
    assert listed == set(MODELS) - {"qwen-image-max"}


@pytest.mark.parametrize("query", ["?page_no=0", "?page_size=101", "?page_no=x", "?page_no=²"])
async def test_a_page_out_of_range_is_refused(sandbox: Sandbox, query: str):
    """As an invalid parameter."""
    status, answer = await get(sandbox, query)
    assert (status, answer["code"]) == (400, "InvalidParameter")


async def test_it_needs_a_key(sandbox: Sandbox):
    """Like every other call."""
    status, answer = await get(sandbox, headers={})
    assert (status, answer["code"]) == (401, "InvalidApiKey")
