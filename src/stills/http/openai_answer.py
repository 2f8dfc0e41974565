"""Answers in the shapes of OpenAI and OpenRouter: a body in chunks, and headers about cost."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum

from starlette.responses import Response, StreamingResponse

from stills.app import Stills
from stills.contract.errors import ImageMissing
from stills.contract.image_kinds import ImageKind
from stills.contract.money import add_usd
from stills.contract.pixel_budget import PixelBudget
from stills.contract.result import ImageResult
from stills.http.idempotency import IdempotentResult
from stills.http.openai_output import Output, ResponseFormat

CACHED_HEADER = "X-Stills-Cached"
COST_HEADER = "X-Stills-Cost-Usd"
ID_HEADER = "X-Stills-Image-Id"
IGNORED_HEADER = "X-Stills-Ignored"


class AnswerShape(StrEnum):
    """Whose clients expect the answer."""

    OPENAI = "openai"
    OPENROUTER = "openrouter"


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
    *,
    shape: AnswerShape,
) -> Response:
    """Make the answer.

    Raises:
        ImageMissing: an image is missing from the store, or damaged.
        StoreRefused: the store can't be read.
    """
    head = {"created": int(answered.created), **_DESCRIBE[shape](answered, output)}
    chunks = [json.dumps(head)[:-1].encode(), b', "data":[']
    for number, (result, url) in enumerate(zip(answered.results, urls, strict=True)):
        chunks.append(b"," if number else b"")
        chunks += await _write_image(result, url, output, encoder, shape)
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
    own = answered.own_results
    cached = [result.cached for result in own] or [True] * len(answered.results)
    costs = _costs_usd(answered)
    return {
        ID_HEADER: ", ".join(result.id for result in answered.results),
        CACHED_HEADER: ", ".join("true" if one else "false" for one in cached),
        COST_HEADER: ", ".join("unknown" if one is None else f"{one:.9g}" for one in costs),
    }


def _costs_usd(answered: IdempotentResult) -> Sequence[float | None]:
    """Return what each image costs; a repeated answer costs nothing, although its images did."""
    return [result.cost_usd for result in answered.own_results] or [0.0] * len(answered.results)


def _describe_format(_: IdempotentResult, output: Output) -> dict[str, object]:
    return {"output_format": output.format}


def _describe_usage(answered: IdempotentResult, _: Output) -> dict[str, object]:
    """Return OpenRouter's usage, with its cost in USD unless a price is unknown."""
    costs = [cost for cost in _costs_usd(answered) if cost is not None]
    usage: dict[str, object] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if len(costs) == len(answered.results):
        usage["cost"] = add_usd(*costs)
    return {"usage": usage}


_DESCRIBE = {
    AnswerShape.OPENAI: _describe_format,
    AnswerShape.OPENROUTER: _describe_usage,
}


async def _write_image(
    result: ImageResult, url: str, output: Output, encoder: Base64Encoder, shape: AnswerShape
) -> Sequence[bytes]:
    """Return one image as JSON, in chunks: joining them would copy the image."""
    fields: list[list[bytes]] = []
    if output.response_format is not ResponseFormat.B64_JSON:
        fields.append([b'"url":' + json.dumps(url).encode()])
    if output.response_format is not ResponseFormat.URL:
        fields.append([b'"b64_json":"', await encoder.encode(result, output), b'"'])
    if shape is AnswerShape.OPENROUTER:
        fields.append([b'"media_type":' + json.dumps(output.kind.value).encode()])
    chunks = [b"{", *fields[0]]
    for field in fields[1:]:
        chunks += [b",", *field]
    return [*chunks, b"}"]


async def _release(chunks: list[bytes]) -> AsyncIterator[bytes]:
    """Yield each chunk once and drop it: a slow client must not hold what it has received."""
    chunks.reverse()
    while chunks:
        yield chunks.pop()
