"""Check prompt: refuse one that the service would cut off, before it is paid for.

Only for requests without a stored image: counting tokens takes the SDK, which is slow to load.
"""

import unicodedata
from collections.abc import Sequence

from stills.contract.errors import InvalidRequest
from stills.contract.generation import GenerationSpec
from stills.contract.models import Model
from stills.contract.ports.tokenizer import Tokenizer
from stills.pipeline.context import Job, known


async def check_prompt(job: Job) -> Job:
    """Check the prompt of a request that needs a new image.

    Raises:
        InvalidRequest: it has more tokens than the model reads.
        LibraryFailed: its tokens can't be counted.
    """
    if job.hit is None:
        spec = known(job.plan).spec
        (error,) = await find_long_prompts([spec], job.model, job.ports.tokenizer)
        if error is not None:
            raise error
    return job


async def find_long_prompts(
    specs: Sequence[GenerationSpec], model: Model, tokenizer: Tokenizer
) -> Sequence[InvalidRequest | None]:
    """Return for each text whether it is too long for the model: its error, or None.

    Raises:
        LibraryFailed: tokens can't be counted.
    """
    errors: list[InvalidRequest | None] = [None] * len(specs)
    limit = model.prompt_max_tokens
    if limit is None:
        return errors
    maybe_long = [index for index, spec in enumerate(specs) if _tokens_max(spec.text) > limit]
    if maybe_long:
        counts = await tokenizer.count([specs[index].text for index in maybe_long])
        for index, tokens in zip(maybe_long, counts, strict=True):
            if tokens > limit:
                errors[index] = _error(specs[index], model, tokens, limit)
    return errors


def _tokens_max(text: str) -> int:
    """Return more tokens than the text can have, or as many.

    The tokenizer normalizes a text to NFC, which can lengthen it; then a token is at least a byte.
    """
    return len(unicodedata.normalize("NFC", text).encode())


def _error(spec: GenerationSpec, model: Model, tokens: int, limit: int) -> InvalidRequest:
    what = "prompt and style together are" if spec.style else "prompt is"
    return InvalidRequest(
        f"{what} {tokens} tokens, {tokens - limit} over {model.id}'s limit of {limit}",
        field="prompt",
        action="Shorten it, because the service would silently cut off the end.",
    )
