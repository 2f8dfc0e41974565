"""Images as answers in OpenAI's form: a body in chunks, and headers about cost."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence

from starlette.responses import Response, StreamingResponse

from stills.app import Stills
from stills.contract.errors import ImageMissing
from stills.contract.image_kinds import ImageKind
from stills.contract.pixel_budget import PixelBudget
from stills.contract.result import ImageResult
from stills.http.idempotency import IdempotentResult
from stills.http.openai_output import Output, ResponseFormat

CACHED_HEADER = "X-Stills-Cached"
COST_HEADER = "X-Stills-Cost-Usd"
ID_HEADER = "X-Stills-Image-Id"
IGNORED_HEADER = "X-Stills-Ignored"


class Base64Encoder:
    """Reads and encodes images; their pixels limit how many it handles at the same time."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._pixels = PixelBudget()

    async def encode(self, result: ImageResult, output: Output) -> bytes:
        """Return the image in its format, as base64.

        Raises:
            ImageMissing: it is missing from the store, or damaged.
            StoreRefused: the store can't be read.
        """
        async with self._pixels.hold(result.width * result.height):
            images = self._stills.images
            image = await images.find(result.id)
            if image is None:
                raise ImageMissing
            if output.kind is ImageKind.PNG:
                data = await images.read(image)
            else:
                data = await images.encode(image, output.kind, quality=output.quality)
            return await asyncio.to_thread(base64.b64encode, data)


async def answer_images(
    answered: IdempotentResult,
    urls: Sequence[str],
    output: Output,
    ignored: Sequence[str],
    encoder: Base64Encoder,
) -> Response:
    """Make OpenAI's answer.

    Raises:
        ImageMissing: an image is missing from the store, or damaged.
        StoreRefused: the store can't be read.
    """
    chunks = [
        b'{"created":%d,"output_format":"%b","data":[' % (answered.created, output.format.encode())
    ]
    for number, (result, url) in enumerate(zip(answered.results, urls, strict=True)):
        chunks.append(b"," if number else b"")
        chunks += await _write_image(result, url, output, encoder)
    chunks.append(b"]}")
    headers = {
        "Content-Length": str(sum(map(len, chunks))),
        **_describe(answered),
        **name_ignored(ignored),
    }
    return StreamingResponse(_release(chunks), media_type="application/json", headers=headers)


def name_ignored(ignored: Sequence[str]) -> dict[str, str]:
    """Return the header with the fields that were ignored, if there are any."""
    return {IGNORED_HEADER: ", ".join(ignored)} if ignored else {}


def _describe(answered: IdempotentResult) -> dict[str, str]:
    """Return headers with the id of each image, whether it was stored already, and its cost."""
    # A repeated answer costs nothing, although its images did.
    own = answered.own_results
    cached = [result.cached for result in own] or [True] * len(answered.results)
    costs = [result.cost_usd for result in own] or [0.0] * len(answered.results)
    return {
        ID_HEADER: ", ".join(result.id for result in answered.results),
        CACHED_HEADER: ", ".join("true" if one else "false" for one in cached),
        COST_HEADER: ", ".join("unknown" if one is None else f"{one:.9g}" for one in costs),
    }


async def _write_image(
    result: ImageResult, url: str, output: Output, encoder: Base64Encoder
) -> Sequence[bytes]:
    """Return one image as JSON, in chunks: joining them would copy the image."""
    fields: list[list[bytes]] = []
    if output.response_format is not ResponseFormat.B64_JSON:
        fields.append([b'"url":' + json.dumps(url).encode()])
    if output.response_format is not ResponseFormat.URL:
        fields.append([b'"b64_json":"', await encoder.encode(result, output), b'"'])
    chunks = [b"{", *fields[0]]
    for field in fields[1:]:
        chunks += [b",", *field]
    return [*chunks, b"}"]


async def _release(chunks: list[bytes]) -> AsyncIterator[bytes]:
    """Yield each chunk once and drop it: a slow client must not hold what it has received."""
    chunks.reverse()
    while chunks:
        yield chunks.pop()
