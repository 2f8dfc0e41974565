"""Images and results as the values that tools give."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from stills.contract.generation import Image, Send
from stills.contract.money import format_usd
from stills.contract.result import ImageResult


def result_record(result: ImageResult, image_url: str) -> dict[str, Any]:
    """Write a result; `image_url` is where it opens for this caller."""
    return asdict(result) | {"image_url": image_url, "notes": list(result.notes)}


def image_record(image: Image, image_url: str) -> dict[str, Any]:
    """Write what is known of a kept image."""
    generation, rendition = image.generation, image.rendition
    spec = generation.spec
    return {
        "id": rendition.id,
        "image_url": image_url,
        "width": rendition.size.width,
        "height": rendition.size.height,
        "seed": spec.seed,
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "style": spec.style,
        "provider": spec.provider,
        "model": spec.model,
        "native_size": str(spec.native_size),
        "byte_count": rendition.byte_count,
        "sha256": rendition.sha256,
        "created_at": _time(generation.created_at),
        "notes": list(generation.notes),
    }


def send_record(send: Send) -> dict[str, Any]:
    """Write one line of the ledger."""
    return {
        "sent_at": _time(send.sent_at),
        "billing": send.billing.value,
        "code": send.code,
        "request_id": send.request_id,
    }


def summary(result: ImageResult, image_url: str) -> str:
    """Say in a line what the image is, what it cost and where it opens."""
    play = " of play money" if result.provider == "sandbox" else ""
    if result.cached:
        paid = "it was kept already, nothing billed"
    elif result.cost_usd is None:
        paid = f"billed, price of {result.model} unknown"
    else:
        paid = f"billed {format_usd(result.cost_usd)}{play}"
    notes = "".join(f" {note}" for note in result.notes)
    return (
        f"{result.id}: {result.width}*{result.height}, seed {result.seed}, {result.provider} "
        f"{result.model}; {paid}. It opens at {image_url}{notes}"
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
