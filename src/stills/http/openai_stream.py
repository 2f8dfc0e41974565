"""Images as OpenAI's server-sent events: one for each complete image, none for a part of one."""

import json

from stills.contract.result import ImageResult
from stills.http.event_stream import Emit
from stills.http.idempotency import IdempotentResult
from stills.http.openai_answer import Base64Encoder
from stills.http.openai_output import Output

GENERATED = "image_generation.completed"
EDITED = "image_edit.completed"

_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""Required by OpenAI's clients; images are billed by number here, not by tokens."""


async def emit_images(
    emit: Emit, name: str, answered: IdempotentResult, output: Output, encoder: Base64Encoder
) -> None:
    """Emit an event `name` for each image.

    Raises:
        ImageMissing: an image is missing from the store, or damaged.
        StoreRefused: the store can't be read.
    """
    for result in answered.results:
        encoded = await encoder.encode(result, output)
        fields = json.dumps(_describe(name, result, int(answered.created), output))
        # In parts, because joining them would copy the image.
        emit(f"event: {name}\ndata: {fields[:-1]}, ".encode() + b'"b64_json": "')
        emit(encoded)
        emit(b'"}\n\n')


def _describe(name: str, result: ImageResult, created: int, output: Output) -> dict[str, object]:
    return {
        "type": name,
        "created_at": created,
        "size": f"{result.width}x{result.height}",
        "output_format": output.format,
        "background": "opaque",
        "quality": "auto",
        "usage": _USAGE,
    }
