"""One of three images is refused: every front end says what is stored and what was billed."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import openai
import pytest
from mcp.client import Client
from tests.support.running_service import json_logs, serving

from stills.cli.commands.serve import mount_mcp
from stills.http.settings import Settings
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = {"prompt": "a red kite", "size": "512x512", "seed": 7}
TWO_THEN_NONE = {"times": None, "probability": 0.9, "random_seed": 2}
"""Lets two requests through, and none of the next dozen."""


@pytest.fixture
async def url(make_stills: Callable[..., Any]) -> AsyncIterator[str]:
    """Serve HTTP and MCP."""
    settings = Settings(model="qwen-image-max", key_check_seconds=0.0)
    async with serving(await make_stills(), settings, mounts={"/mcp": mount_mcp}) as address:
        yield address


async def ask_openai(url: str, **more: Any) -> str:
    """Ask with OpenAI's own client, which retries what it may."""
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1") as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.images.generate(prompt=KITE["prompt"], n=3, extra_body=KITE | more)
    return str(refused.value.body["message"])


async def ask_openrouter(url: str, **more: Any) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/v1/images", json=KITE | {"n": 3} | more) as answer,
    ):
        return str((await answer.json())["error"]["message"])


async def ask_contract(url: str, **more: Any) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/v1/image.generate", json=KITE | {"takes": 3} | more) as answer,
    ):
        return str((await answer.json())["error"]["message"])


async def ask_mcp(url: str, **more: Any) -> str:
    async with Client(f"{url}/mcp") as client:
        result = await client.call_tool("image_generate", KITE | {"takes": 3} | more)
    return str(result.content[0].text)


ASK = pytest.mark.parametrize("ask", [ask_openai, ask_openrouter, ask_contract, ask_mcp])


@ASK
async def test_the_error_says_what_the_others_cost(
    url: str, sandbox: Sandbox, ask: Callable[..., Any], capfd: pytest.CaptureFixture[str]
):
    """So does the log, and nothing claims that nothing was billed."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED))
    with json_logs():
        message = await ask(url)
    assert "2 of 3 images are stored (seeds " in message
    assert "), 0.15 USD (simulated) billed for them; " in message
    assert "This call billed nothing" not in message
    assert sandbox.ledger.billed_images == 2
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "POST" in line]
    (line,) = [line for line in lines if line.get("error")]
    assert (line["error"], line["images"], line["cost_usd"]) == ("content_refused", 2, 0.15)


@ASK
async def test_a_client_does_not_repeat_new_images_that_were_billed(
    url: str, sandbox: Sandbox, ask: Callable[..., Any]
):
    """With fresh, a retry would pay for all three again."""
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE, **TWO_THEN_NONE))
    message = await ask(url, fresh=True)
    assert "2 of 3 images are stored" in message
    assert sandbox.ledger.billed_images == 2


async def test_with_an_idempotency_key_a_repetition_makes_only_the_missing_one(
    url: str, sandbox: Sandbox
):
    """OpenAI's client repeats it by itself, although the images must be new."""
    sandbox.set_faults(Fault(FaultKind.UNAVAILABLE, times=3, probability=0.9, random_seed=2))
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1") as client:
        answer = await client.images.generate(
            prompt="a red kite",
            n=3,
            response_format="url",
            extra_body={"fresh": True},
            extra_headers={"Idempotency-Key": "one"},
        )
    assert len({image.url for image in answer.data}) == 3
    assert sandbox.ledger.billed_images == 3
