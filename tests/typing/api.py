"""The public API as a user writes it; checked by `mypy --strict`, never run."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

from stills import (
    ImageRequest,
    ImageResult,
    RequestOutcome,
    Stills,
    StillsError,
    generate,
    generate_takes,
)
from stills.contract.errors import RateLimited
from stills.contract.generation import Image, Stage
from stills.library import ImageDetails


def ask_synchronously() -> ImageResult:
    """Any field may be left out but prompt and size."""
    request = ImageRequest(prompt="a kite", size="512*512")
    assert_type(request.seed, int | None)
    assert_type(request.reference_image, str | bytes | None)
    assert_type(request.reference_images, tuple[str | bytes, ...])
    assert_type(ImageRequest.from_json('{"prompt": "a kite", "size": "512*512"}'), ImageRequest)
    assert_type(ImageRequest.from_mapping({"prompt": "a kite", "size": "512*512"}), ImageRequest)
    assert_type(
        generate_takes(request, takes=4, max_cost_usd=1, sandbox=True), tuple[ImageResult, ...]
    )
    return generate(request, model="qwen-image-max", fresh=True, sandbox=True)


def read(result: ImageResult) -> None:
    """The four fields of the contract are never None."""
    assert_type(result.image_url, str)
    assert_type((result.width, result.height, result.seed), tuple[int, int, int])
    assert_type(result.cost_usd, float | None)
    assert_type(result.notes, tuple[str, ...])
    assert_type(result.contract_fields(), dict[str, str | int])


async def ask(request: ImageRequest, seen: list[Stage]) -> ImageDetails:
    """An async session with everything in it."""
    async with Stills.from_env(sandbox=True, resend_unknown=1, environment={}) as stills:
        assert_type(stills, Stills)
        result = await stills.generate(request, fresh=True, on_stage=seen.append)
        assert_type(result, ImageResult)
        takes = await stills.generate_takes(request, takes=4, max_cost_usd=0.3)
        assert_type(takes, tuple[ImageResult, ...])
        assert_type(await stills.images.list(limit=3), Sequence[Image])
        await stills.images.save(result.id, Path("kite.png"))
        return await stills.images.show(result.id)


async def ask_many(stills: Stills, requests: list[ImageRequest]) -> float:
    """Any iterable of requests, each with its outcome."""
    async for outcome in stills.generate_many(iter(requests), concurrency=4):
        assert_type(outcome, RequestOutcome)
        assert_type(outcome.index, int)
        assert_type((outcome.result, outcome.error), tuple[ImageResult | None, StillsError | None])
    return (await stills.quota()).per_second or 0.0


def handle(error: StillsError) -> float | None:
    """Every error has its facts."""
    assert_type((error.code, error.action, error.message), tuple[str, str, str])
    assert_type(error.retryable, bool)
    assert_type(error.request_id, str | None)
    return error.retry_after_seconds if isinstance(error, RateLimited) else None


# What must not type-check: strict mypy complains about each ignore that is not needed.
ImageRequest("a kite", "512*512")  # type: ignore[call-arg]
ImageRequest(prompt="a kite", width="512", height=512)  # type: ignore[arg-type]
ImageRequest(prompt="a kite", size=(512, 512))  # type: ignore[arg-type]
ImageRequest(prompt="a kite", size="512*512", sede=1)  # type: ignore[call-arg]
generate({"prompt": "a kite"})  # type: ignore[arg-type]
