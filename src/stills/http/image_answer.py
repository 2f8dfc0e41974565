"""Images as OpenAI's clients expect them: links, bytes, or both."""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from stills.app import Stills
from stills.contract.errors import ImageMissing
from stills.contract.pixel_budget import PixelBudget
from stills.contract.result import ImageResult
from stills.http.openai_request import ResponseFormat


class ImageData(BaseModel):
    """One image; `url` opens for as long as it is kept."""

    url: str | None = None
    b64_json: str | None = None


class ImagesBody(BaseModel):
    """OpenAI's answer: `created` in Unix seconds, and the images in the order of their seeds."""

    created: int
    data: list[ImageData]


class ImageAnswers:
    """Writes answers; how many images are read and encoded at once is bounded by their pixels."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._pixels = PixelBudget()

    async def write(
        self,
        results: Sequence[ImageResult],
        response_format: ResponseFormat,
        *,
        created: float,
        image_url: Callable[[str], str],
    ) -> list[bytes]:
        """Return the body in parts; `image_url` says where the image of an id opens.

        Raises:
            ImageMissing: the store has lost an image.
            StoreRefused: it can't be read.
        """
        parts = [b'{"created":%d,"data":[' % created]
        for number, result in enumerate(results):
            parts.append(b",{" if number else b"{")
            if response_format is not ResponseFormat.B64_JSON:
                parts.append(b'"url":' + json.dumps(image_url(result.id)).encode())
            if response_format is ResponseFormat.BOTH:
                parts.append(b",")
            if response_format is not ResponseFormat.URL:
                parts += [b'"b64_json":"', await self._encode(result), b'"']
            parts.append(b"}")
        return [*parts, b"]}"]

    async def _encode(self, result: ImageResult) -> bytes:
        async with self._pixels.hold(result.width * result.height):
            image = await self._stills.images.find(result.id)
            if image is None:
                raise ImageMissing
            png = await self._stills.images.read(image)
            return await asyncio.to_thread(base64.b64encode, png)
