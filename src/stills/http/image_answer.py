"""Images as OpenAI's clients expect them: links, bytes, or both."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from stills.app import Stills
from stills.contract.errors import ImageMissing
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


async def _read(stills: Stills, image_id: str) -> bytes:
    image = await stills.find_image(image_id)
    if image is None:
        raise ImageMissing
    return await stills.read_image(image)


async def images_body(
    stills: Stills,
    results: Sequence[ImageResult],
    response_format: ResponseFormat,
    *,
    created: float,
    image_url: Callable[[str], str],
) -> dict[str, Any]:
    """Write the answer; `image_url` says where the image of an id opens.

    Raises:
        ImageMissing: the store has lost an image.
        StoreRefused: it can't be read.
    """

    async def one(result: ImageResult) -> dict[str, str]:
        data: dict[str, str] = {}
        if response_format is not ResponseFormat.B64_JSON:
            data["url"] = image_url(result.id)
        if response_format is not ResponseFormat.URL:
            png = await _read(stills, result.id)
            data["b64_json"] = (await asyncio.to_thread(base64.b64encode, png)).decode()
        return data

    return {
        "created": int(created),
        "data": [await one(result) for result in results],
    }
