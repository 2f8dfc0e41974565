"""OpenRouter's clients: `POST /v1/images`, its sizes and its answer."""

import base64

import aiohttp
import pytest
import pyvips
from tests.http.conftest import Serve

from stills.sandbox import Sandbox

MODEL = "google/gemini-3.1-flash-image"


async def test_the_answer_has_openrouter_s_shape(
    serve: Serve, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Bytes with their media type, and the cost in USD; a repetition costs nothing."""
    url = await serve(model_aliases={MODEL: "qwen-image-max"})
    body = {"model": MODEL, "prompt": "a red kite", "n": 2, "output_format": "webp"}
    for cost in (0.15, 0):
        async with http.post(f"{url}/api/v1/images", json=body) as answer:
            assert answer.status == 200, await answer.text()
            made = await answer.json()
        assert set(made) == {"created", "usage", "data"}
        tokens = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        assert made["usage"] == {**tokens, "cost": cost}
        for image in made["data"]:
            assert set(image) == {"b64_json", "media_type"}
            assert image["media_type"] == "image/webp"
            pyvips.Image.webpload_buffer(base64.b64decode(image["b64_json"]))
    assert len(sandbox.ledger.generations) == 2


async def test_urls_are_returned_on_request(url: str, http: aiohttp.ClientSession):
    """The path also serves clients that store no bytes."""
    body = {"prompt": "a red kite", "response_format": "url"}
    async with http.post(f"{url}/v1/images", json=body) as answer:
        (image,) = (await answer.json())["data"]
    assert set(image) == {"url", "media_type"}
    async with http.get(image["url"]) as got:
        assert got.content_type == image["media_type"]


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"aspect_ratio": "16:9"}, "1360*768"),
        ({"resolution": "2K", "aspect_ratio": "16:9"}, "2720*1536"),
        ({"resolution": "1K", "aspect_ratio": "auto"}, "1024*1024"),
        ({"aspect_ratio": "auto"}, "1024*1024"),
        ({"size": "1024x1024", "aspect_ratio": "auto"}, "1024*1024"),
    ],
)
async def test_resolution_and_aspect_ratio_are_a_size(
    url: str,
    http: aiohttp.ClientSession,
    sandbox: Sandbox,
    fields: dict[str, str],
    size: str,
):
    """They mean the same as our sizes, which have both."""
    body = {"prompt": "a red kite", "model": "qwen-image-2.0", **fields}
    async with http.post(f"{url}/v1/images", json=body) as answer:
        assert answer.status == 200, await answer.text()
    assert [send.size for send in sandbox.ledger.generations] == [size]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "1024x1024", "aspect_ratio": "16:9"}, "aspect_ratio"),
        ({"size": "1024x1024", "resolution": "2K"}, "resolution"),
        ({"resolution": 2}, "resolution"),
        ({"aspect_ratio": [16, 9]}, "aspect_ratio"),
        ({"resolution": "512"}, "resolution"),
        ({"aspect_ratio": "1024*1024"}, "aspect_ratio"),
        ({"aspect_ratio": ""}, "aspect_ratio"),
    ],
)
async def test_a_contradictory_or_unknown_size_is_refused(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, fields: dict[str, object], param: str
):
    """Nothing is sent."""
    body = {"prompt": "a red kite", **fields}
    async with http.post(f"{url}/v1/images", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == param
    assert not sandbox.ledger.generations
