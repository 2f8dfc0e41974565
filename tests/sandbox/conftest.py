"""A sandbox on a free port, a client session, and the real SDK called on both."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from dashscope.aigc.image_generation import AioImageGeneration

from stills.sandbox import Sandbox

GENERATION = "/services/aigc/multimodal-generation/generation"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def call(sandbox: Sandbox, session: aiohttp.ClientSession) -> Callable[..., Awaitable[Any]]:
    """Call the real SDK as a caller of DashScope does."""

    async def call_sdk(
        text: str = "a red fox", *, target: Sandbox = sandbox, **options: Any
    ) -> Any:
        content = [{"text": text}, *({"image": image} for image in options.pop("images", []))]
        options = {
            "model": "qwen-image-max",
            "api_key": "sk-sandbox",
            "request_timeout": 30,
            "base_address": target.base_url,
        } | options
        messages = [{"role": "user", "content": content}]
        return await AioImageGeneration.call(messages=messages, session=session, **options)

    return call_sdk


@pytest.fixture
def post(sandbox: Sandbox, session: aiohttp.ClientSession) -> Callable[..., Awaitable[Any]]:
    """Post any body, valid or not, and return status, headers and parsed answer."""

    async def post_raw(body: Any, *, key: str = "sk-sandbox", **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        sent = {"data" if isinstance(body, bytes | io.BytesIO) else "json": body}
        async with session.post(sandbox.base_url + GENERATION, headers=headers, **sent) as answer:
            body = await answer.json()
            return SimpleNamespace(status=answer.status, headers=answer.headers, body=body)

    return post_raw


@pytest.fixture
def download(session: aiohttp.ClientSession) -> Callable[..., Awaitable[Any]]:
    """Download the image of an SDK answer and return status, headers and bytes."""

    async def get(answer: Any) -> Any:
        url = answer if isinstance(answer, str) else image_urls(answer)[0]
        async with session.get(url) as response:
            body = await response.read()
            return SimpleNamespace(status=response.status, headers=response.headers, body=body)

    return get


def image_urls(answer: Any) -> list[str]:
    content = answer.output["choices"][0]["message"]["content"]
    return [part["image"] for part in content]


@pytest.fixture
def urls_of() -> Callable[[Any], list[str]]:
    """Read the image URLs of an SDK answer."""
    return image_urls
