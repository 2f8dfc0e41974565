"""Memory: many callers of large images at once work on a few of them at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from running import serving

from stills.app import Stills
from stills.contract.generation import Image
from stills.contract.pixel_budget import PixelBudget
from stills.contract.size import Size
from stills.http import image_answer
from stills.http.settings import Settings
from stills.imaging import VipsImaging
from stills.pipeline import generate

SIDE = 600
AT_ONCE = 2


class Counter:
    """Counts what is under way at once; each takes long enough to meet the others."""

    def __init__(self) -> None:
        self._now = 0
        self.most = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0.1)
            yield
        finally:
            self._now -= 1


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
async def test_images_are_rendered_and_encoded_within_a_budget_of_pixels(
    make_stills: Callable[..., Awaitable[Stills]],
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    response_format: str,
):
    """Each is answered in its turn."""
    rendered, read = Counter(), Counter()

    class Imaging(VipsImaging):
        async def fit(self, png: bytes, size: Size) -> bytes:
            async with rendered.one():
                return await super().fit(png, size)

    read_image = Stills.read_image

    async def count(self: Stills, image: Image) -> bytes:
        async with read.one():
            return await read_image(self, image)

    monkeypatch.setattr(Stills, "read_image", count)
    for module in (generate, image_answer):
        monkeypatch.setattr(module, "PixelBudget", lambda: PixelBudget(AT_ONCE * SIDE * SIDE))

    async def ask(url: str, number: int) -> int:
        body = {"prompt": f"kite {number}", "size": f"{SIDE}x{SIDE}"}
        body["response_format"] = response_format
        async with http.post(f"{url}/v1/images/generations", json=body) as answer:
            (image,) = (await answer.json())["data"]
            assert set(image) == {response_format}
            return answer.status

    stills = await make_stills(imaging=Imaging())
    async with serving(stills, Settings(model="qwen-image-max")) as url:
        assert await asyncio.gather(*(ask(url, number) for number in range(8))) == [200] * 8
    assert rendered.most == AT_ONCE
    assert read.most == (AT_ONCE if response_format == "b64_json" else 0)
