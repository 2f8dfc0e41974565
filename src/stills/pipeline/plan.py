"""Plan: choose the native size, weave the text to send, make the keys. Pure."""

import hashlib
import json
import math
import secrets
from dataclasses import dataclass
from functools import lru_cache

from stills.contract.errors import InvalidRequest
from stills.contract.generation import GenerationSpec, ProviderRequest
from stills.contract.models import SEED_MAX, Model
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.pipeline.reference import Reference

KEY_VERSION = 1
# The service's own defaults, sent explicitly so that a change of theirs changes nothing here.
PROMPT_EXTEND = True
WATERMARK = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be asked of the catalog and, failing that, of the provider."""

    spec: GenerationSpec
    order: ProviderRequest
    size: Size


def make_plan(
    request: ImageRequest,
    model: Model,
    *,
    provider: str,
    reference: Reference | None,
    price_usd: float | None = None,
) -> Plan:
    """Plan a request for a model; `price_usd` overrides the table's price of an image.

    Raises:
        InvalidRequest: the model can't take this prompt, negative prompt or reference.
    """
    text = weave_style(request.prompt, request.style)
    _check_limits(request, text, model, reference)
    size = request.output_size
    native = native_size(size, model)
    seed = secrets.randbelow(SEED_MAX + 1) if request.seed is None else request.seed
    facts = {
        "version": KEY_VERSION,
        "provider": provider,
        "model": model.id,
        "text": text,
        "negative_prompt": request.negative_prompt,
        "size": str(native),
        "reference": reference.digest if reference else None,
        "prompt_extend": PROMPT_EXTEND,
        "watermark": WATERMARK,
    }
    spec = GenerationSpec(
        key=generation_key(facts, request.seed),
        seeded_key=generation_key(facts, seed),
        provider=provider,
        model=model.id,
        prompt=request.prompt,
        style=request.style,
        text=text,
        negative_prompt=request.negative_prompt,
        native_size=native,
        seed=seed,
        reference_digest=reference.digest if reference else None,
        price_usd=model.price_usd if price_usd is None else price_usd,
    )
    order = ProviderRequest(
        model=model.id,
        text=text,
        negative_prompt=request.negative_prompt,
        size=native,
        seed=seed,
        prompt_extend=PROMPT_EXTEND,
        watermark=WATERMARK,
        reference_url=reference.url if reference else None,
    )
    return Plan(spec, order, size)


def generation_key(facts: dict[str, object], seed: int | None) -> str:
    """Hash all that reaches the service, as canonical JSON."""
    canonical = json.dumps(
        {**facts, "seed": seed}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def weave_style(prompt: str, style: str | None) -> str:
    """Put the style into the text, as the service has no parameter for it."""
    if style is None:
        return prompt
    end = "" if prompt[-1] in ".!?。！？" else "."  # noqa: RUF001 - Chinese prompts end like this
    return f"{prompt}{end} Style: {style}"


def simplify(prompt: str) -> str:
    """Reduce a prompt to its first sentence, at most 200 characters, cut between words."""
    for end in (". ", "! ", "? ", "。", "\n"):
        prompt = prompt.split(end, maxsplit=1)[0]
    longest = 200
    if len(prompt) > longest:
        prompt = prompt[:longest].rsplit(maxsplit=1)[0]
    return prompt.strip()


@lru_cache(maxsize=64)  # a batch asks for one size, or a few, thousands of times
def native_size(size: Size, model: Model) -> Size:
    """Choose the size that the model makes and that needs the least cropping.

    Of fixed sizes the one nearest in aspect ratio (log ratios; ties go to the larger area); of
    free ones the size asked for, scaled into the model's range of pixels where it is outside.
    """
    if model.native_sizes:
        wanted = math.log(size.aspect_ratio)
        return min(
            model.native_sizes,
            key=lambda native: (
                round(abs(math.log(native.aspect_ratio) - wanted), 9),
                -native.pixels,
            ),
        )
    if model.pixels_min <= size.pixels <= model.pixels_max:
        return size
    if size.pixels < model.pixels_min:
        scale = math.sqrt(model.pixels_min / size.pixels)
        return Size(math.ceil(size.width * scale), math.ceil(size.height * scale))
    scale = math.sqrt(model.pixels_max / size.pixels)
    return Size(math.floor(size.width * scale), math.floor(size.height * scale))


def _check_limits(
    request: ImageRequest, text: str, model: Model, reference: Reference | None
) -> None:
    over = len(text) - model.prompt_max_characters
    if over > 0:
        what = "prompt and style together are" if request.style else "prompt is"
        raise InvalidRequest(
            f"{what} {len(text)} characters, {over} over {model.id}'s limit of "
            f"{model.prompt_max_characters}",
            field="prompt",
            action="Shorten it: the service would cut the end off without a word.",
        )
    negative = request.negative_prompt or ""
    over = len(negative) - model.negative_prompt_max_characters
    if over > 0:
        raise InvalidRequest(
            f"negative_prompt is {len(negative)} characters, {over} over {model.id}'s limit of "
            f"{model.negative_prompt_max_characters}",
            field="negative_prompt",
            action="Shorten it: the service would cut the end off without a word.",
        )
    if reference is not None and model.reference_images_max == 0:
        raise InvalidRequest(
            f"{model.id} makes images from text only and takes no reference_image",
            field="reference_image",
            action=(
                "Leave it out, or choose a model that takes references by its exact id, "
                "such as qwen-image-2.0."
            ),
        )
