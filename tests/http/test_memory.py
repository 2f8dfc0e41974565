"""Memory: of many concurrent large images, only a few are processed at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Stills
from stills.contract.generation import Image
from stills.contract.pixel_budget import PixelBudget
from stills.contract.size import Size
from stills.http import openai_answer
from stills.http.settings import Settings
from stills.imaging import VipsImaging
from stills.library import Library
from stills.pipeline import generate

SIDE = 600
NATIVE_SIDE = 1328  # what is decoded to render an image of `SIDE`
AT_ONCE = 2


class Counter:
    """Counts concurrent calls; none ends before another has begun."""

    def __init__(self) -> None:
        self._now = 0
        self._pairs = asyncio.Barrier(2)
        self.most = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self._pairs.wait()
            await asyncio.sleep(0.1)  # others begin meanwhile, if they may
            yield
        finally:
            self._now -= 1


async def test_images_are_rendered_and_encoded_within_a_budget_of_pixels(
    make_stills: Callable[..., Awaitable[Stills]],
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
):
    """Each request is answered in turn, for a new image and for the bytes of a stored one."""
    rendered, read = Counter(), Counter()

    class Imaging(VipsImaging):
        async def fit(self, png: bytes, size: Size) -> bytes:
            async with rendered.one():
                return await super().fit(png, size)

    read_image = Library.read

    async def count(self: Library, image: Image) -> bytes:
        async with read.one():
            return await read_image(self, image)

    monkeypatch.setattr(Library, "read", count)
    for module, pixels in ((generate, NATIVE_SIDE**2), (openai_answer, SIDE**2)):
        budget = partial(PixelBudget, AT_ONCE * pixels)
        monkeypatch.setattr(module, "PixelBudget", budget)

    async def ask(url: str, number: int, response_format: str) -> int:
        body = {"prompt": f"kite {number}", "size": f"{SIDE}x{SIDE}"}
        body["response_format"] = response_format
        async with http.post(f"{url}/v1/images/generations", json=body) as answer:
            (image,) = (await answer.json())["data"]
            assert set(image) == {response_format}
            return answer.status

    stills = await make_stills(imaging=Imaging())
    async with serving(stills, Settings(model="qwen-image-max")) as url:
        for response_format in ("url", "b64_json"):
            asking = (ask(url, number, response_format) for number in range(8))
            assert await asyncio.gather(*asking) == [200] * 8
    assert (rendered.most, read.most) == (AT_ONCE, AT_ONCE)
