"""OpenAI's streams: keep-alives, a complete image in an event, errors, clients that leave."""

import asyncio
import base64
import json

import aiohttp
import openai
import pytest
import pyvips

from stills.app import Stills
from stills.contract.image_kinds import ImageKind, find_kind
from stills.sandbox import Fault, FaultKind, Sandbox


def picture() -> tuple[str, bytes, str]:
    return ("a.png", pyvips.Image.black(64, 64, bands=3).pngsave_buffer(), "image/png")


async def test_a_generation_streams_its_image(url: str, sandbox: Sandbox):
    """OpenAI's client reads the event as its own type, and gets the stored image."""
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        events = [
            event
            async for event in await client.images.generate(
                prompt="a red kite", size="512x320", stream=True, partial_images=2
            )
        ]
        again = await client.images.generate(prompt="a red kite", size="512x320")
    (event,) = events
    assert event.type == "image_generation.completed"
    assert isinstance(event, openai.types.ImageGenCompletedEvent)
    assert (event.size, event.output_format) == ("512x320", "png")
    assert event.usage.total_tokens == 0
    assert event.b64_json == again.data[0].b64_json
    assert len(sandbox.ledger.generations) == 1


async def test_an_edit_streams_its_images_in_their_format(url: str):
    """Each of several images is an event."""
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        events = [
            event
            async for event in await client.images.edit(
                image=picture(), prompt="at dusk", model="qwen-image-2.0", stream=True, n=2,
                output_format="jpeg", output_compression=50,
            )
        ]  # fmt: skip
    assert [event.type for event in events] == ["image_edit.completed"] * 2
    for event in events:
        assert event.output_format == "jpeg"
        assert find_kind(base64.b64decode(event.b64_json)[:32]) is ImageKind.JPEG


async def test_comments_keep_a_silent_stream_open(
    serve, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Proxies cut idle connections; the header names the fields that were ignored."""
    url = await serve(keep_alive_seconds=0.05)
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=1.0))
    body = {"prompt": "a red kite", "stream": True, "partial_images": 1}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["X-Stills-Ignored"] == "partial_images"
        first = await answer.content.readline()
        assert first == b": keep-alive\n"
        assert not await http_list(http, url), "the image is not yet stored"
        rest = (await answer.text()).split("\n\n")
    assert rest.count(": keep-alive") > 3
    name, data = rest[-2].splitlines()
    assert name == "event: image_generation.completed"
    assert json.loads(data.removeprefix("data: "))["b64_json"]


async def http_list(http: aiohttp.ClientSession, url: str) -> list[object]:
    async with http.get(f"{url}/v1/images") as listed:
        return list((await listed.json())["data"])


async def test_an_error_that_nothing_precedes_is_an_ordinary_answer(url: str, sandbox: Sandbox):
    """A status says more than an event: clients know whether to retry."""
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        with pytest.raises(openai.BadRequestError, match="qwen-image-max"):
            await client.images.edit(image=picture(), prompt="a", stream=True)
        with pytest.raises(openai.BadRequestError, match="response_format"):
            await client.images.generate(prompt="a", stream=True, response_format="url")
    assert not sandbox.ledger.generations


async def test_a_later_error_is_an_event(url: str, http: aiohttp.ClientSession, sandbox: Sandbox):
    """OpenAI's client raises it, with its code and ours."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None))
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:
        with pytest.raises(openai.APIError, match="refused") as refused:
            async for _ in await client.images.generate(prompt="a red kite", stream=True):
                pass
    assert refused.value.code == "moderation_blocked"
    body = {"prompt": "a red kite", "stream": True}
    async with http.post(f"{url}/v1/images/generations", json=body) as answer:
        name, data = (await answer.text()).split("\n\n")[-2].splitlines()
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))
    assert error["type"] == "error"
    assert error["error"]["stills_code"] == "content_refused"


async def test_the_image_of_a_client_that_leaves_a_stream_is_stored(
    url: str, http: aiohttp.ClientSession, stills: Stills, sandbox: Sandbox
):
    """It was paid for, so it is finished."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    body = {"prompt": "a red kite", "stream": True}
    async with asyncio.timeout(20):
        async with http.post(f"{url}/v1/images/generations", json=body) as answer:
            while not sandbox.ledger.generations:
                await asyncio.sleep(0.01)
            answer.close()
        while not await stills.images.list():
            await asyncio.sleep(0.02)
    assert sandbox.ledger.billed_images == 1
