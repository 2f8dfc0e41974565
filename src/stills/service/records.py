"""Stored images, results and ledger lines as JSON: the same names in the CLI, HTTP and MCP."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from stills.contract.generation import Image, Send
from stills.contract.models import Model
from stills.contract.money import format_usd
from stills.contract.providers import is_paid
from stills.contract.result import ImageResult


def result_record(result: ImageResult, image_url: str) -> dict[str, Any]:
    """Return a result as JSON; `image_url` is where it opens for this caller."""
    return result.lasting_fields() | {"image_url": image_url, "notes": list(result.notes)}


def image_record(image: Image, image_url: str) -> dict[str, Any]:
    """Return a stored image as JSON; `image_url` is where it opens for this caller."""
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
        "prompt_extend": spec.prompt_extend,
        "prompt_extend_mode": spec.prompt_extend_mode,
        "enable_thinking": spec.enable_thinking,
        "references": [asdict(reference) for reference in spec.references],
        "provider": spec.provider,
        "model": spec.model,
        "native_size": str(spec.native_size),
        "price_usd": spec.price_usd,
        "object_path": rendition.object_path,
        "byte_count": rendition.byte_count,
        "sha256": rendition.sha256,
        "created_at": format_time(generation.created_at),
        "notes": list(generation.notes),
    }


def send_record(send: Send) -> dict[str, Any]:
    """Return one line of the ledger as JSON."""
    return {
        "sent_at": format_time(send.sent_at),
        "billing": send.billing.value,
        "code": send.code,
        "request_id": send.request_id,
    }


def model_record(model: Model) -> dict[str, Any]:
    """Return a row of the model table as JSON; null means unknown."""
    prices = model.prices
    images = prices.images if prices else ()
    record = asdict(model)
    del record["native_sizes"], record["prices"]
    return {
        "id": record.pop("id"),
        "sizes": [str(size) for size in model.native_sizes],
        "image_usd": [{"pixels_max": most, "usd": usd} for most, usd in images] or None,
        "input_image_usd": prices.input_image_usd if prices else None,
        **record,
        "retired_on": model.retired_on.isoformat() if model.retired_on else None,
        "checked_on": model.checked_on.isoformat(),
    }


def summarize(result: ImageResult, image_url: str) -> str:
    """Return one line for people: the image, its cost and where it opens."""
    simulated = " (simulated)" if not is_paid(result.provider) else ""
    if result.cached:
        cost = "already stored, nothing billed"
    elif result.cost_usd is None:
        cost = f"billed, price of {result.model} unknown"
    else:
        cost = f"billed {format_usd(result.cost_usd)}{simulated}"
    notes = "".join(f" {note}" for note in result.notes)
    return (
        f"{result.id}: {result.width}*{result.height}, seed {result.seed}, {result.provider} "
        f"{result.model}; {cost}. It opens at {image_url}{notes}"
    )


def format_time(seconds: float) -> str:
    """Return a Unix time as ISO 8601 in UTC."""
    time = datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
