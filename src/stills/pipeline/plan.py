"""Plan: choose the native size, add the style to the prompt, and make the keys."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace

from stills.contract.errors import InvalidRequest
from stills.contract.generation import GenerationSpec, ProviderRequest, ReferenceRecord
from stills.contract.models import SEED_MAX, Model
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.pipeline.context import Job, Plan
from stills.pipeline.native_size import automatic_size, native_size
from stills.pipeline.reference import Reference
from stills.pipeline.references import load_references

KEY_VERSION = 1
# The service's own defaults, sent explicitly so that a change of them changes nothing here.
PROMPT_EXTEND_DEFAULT = True
WATERMARK = False


async def plan(job: Job) -> Job:
    """Load the reference images and plan the request.

    Raises:
        InvalidRequest: the model can't take a field of this request.
    """
    references = await load_references(job.request, job.model, job.load_reference)
    planned = make_plan(
        job.request,
        job.model,
        provider=job.ports.provider.name,
        references=references,
        drawn_seed=job.options.drawn_seed,
    )
    return replace(job, references=references, plan=planned)


def make_plan(
    request: ImageRequest,
    model: Model,
    *,
    provider: str,
    references: Sequence[Reference] = (),
    drawn_seed: int | None = None,
) -> Plan:
    """Plan a request for a model.

    `drawn_seed` is sent if the request has no seed; by default, one is drawn here.

    Raises:
        InvalidRequest: the model can't take a field of this request.
    """
    text = weave_style(request.prompt, request.style)
    _check_limits(request, model)
    _check_prompt_extension(request, model)
    size = request.output_size or automatic_size(model, [one.size for one in references])
    native = native_size(size, model)
    seed = drawn_seed if request.seed is None else request.seed
    if seed is None:
        seed = secrets.randbelow(SEED_MAX + 1)
    extend = PROMPT_EXTEND_DEFAULT if request.prompt_extend is None else request.prompt_extend
    spec = GenerationSpec(
        key="",
        seeded_key="",
        provider=provider,
        model=model.id,
        prompt=request.prompt,
        style=request.style,
        text=text,
        negative_prompt=request.negative_prompt,
        native_size=native,
        seed=seed,
        references=tuple(ReferenceRecord(one.digest, one.shown) for one in references),
        price_usd=model.image_usd(native, len(request.all_references)),
        prompt_extend=extend,
        prompt_extend_mode=request.prompt_extend_mode,
        enable_thinking=request.enable_thinking,
    )
    sent = _sent(spec, native)
    spec = replace(
        spec, key=generation_key(sent, request.seed), seeded_key=generation_key(sent, seed)
    )
    provider_request = ProviderRequest(
        model=model.id,
        text=text,
        negative_prompt=request.negative_prompt,
        size=native,
        seed=seed,
        prompt_extend=extend,
        watermark=WATERMARK,
        reference_urls=tuple(one.url for one in references),
        prompt_extend_mode=request.prompt_extend_mode,
        enable_thinking=request.enable_thinking,
    )
    return Plan(spec, provider_request, size)


def has_own_keys(spec: GenerationSpec, ordered: Size) -> bool:
    """Return whether the keys of a generation are those of its prompt, style and other fields."""
    if not spec.prompt or spec.text != weave_style(spec.prompt, spec.style):
        return False
    sent = _sent(spec, ordered)
    seeded_key = generation_key(sent, spec.seed)
    return spec.seeded_key == seeded_key and spec.key in (seeded_key, generation_key(sent, None))


def _sent(spec: GenerationSpec, ordered: Size) -> dict[str, object]:
    """Return all that is sent to the service for a generation but its seed."""
    return {
        "version": KEY_VERSION,
        "provider": spec.provider,
        "model": spec.model,
        "text": spec.text,
        "negative_prompt": spec.negative_prompt,
        "size": str(ordered),
        "reference": _key_of(spec.references),
        "prompt_extend": spec.prompt_extend,
        "watermark": WATERMARK,
        **_given("prompt_extend_mode", spec.prompt_extend_mode),
        **_given("enable_thinking", spec.enable_thinking),
    }


def _key_of(references: Sequence[ReferenceRecord]) -> str | list[str] | None:
    """Return what stands for references in a key; one stands as it did when there was only one."""
    digests = [one.digest for one in references]
    return digests if len(digests) > 1 else next(iter(digests), None)


def find_price(
    request: ImageRequest, model: Model, *, reference_images: int | None = None
) -> float | None:
    """Return the price of one image in USD, by the size that is ordered; None if unknown.

    `reference_images` is their number, if the request does not have all of them yet. References are
    not loaded, so an automatic size counts as square.
    """
    if reference_images is None:
        reference_images = len(request.all_references)
    size = request.output_size or automatic_size(model, [None] * reference_images)
    return model.image_usd(native_size(size, model), reference_images)


def generation_key(sent: dict[str, object], seed: int | None) -> str:
    """Hash everything that is sent to the service, as canonical JSON."""
    canonical = json.dumps(
        {**sent, "seed": seed}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def weave_style(prompt: str, style: str | None) -> str:
    """Add the style to the prompt, because the service has no parameter for it."""
    if style is None:
        return prompt
    end = "" if prompt[-1] in ".!?。！？" else "."  # noqa: RUF001 - the ends of Chinese sentences
    return f"{prompt}{end} Style: {style}"


def simplify(prompt: str) -> str:
    """Reduce a prompt to its first sentence, at most 200 characters, cut between words."""
    for end in (". ", "! ", "? ", "。", "\n"):
        prompt = prompt.split(end, maxsplit=1)[0]
    longest = 200
    if len(prompt) > longest:
        prompt = prompt[:longest].rsplit(maxsplit=1)[0]
    return prompt.strip()


def _given(name: str, value: object) -> dict[str, object]:
    """Return a part of the key that requests without this field don't have."""
    return {} if value is None else {name: value}


def _check_prompt_extension(request: ImageRequest, model: Model) -> None:
    for field in ("prompt_extend_mode", "enable_thinking"):
        value = getattr(request, field)
        if value is None:
            continue
        if not model.has_thinking:
            raise InvalidRequest(
                f"{model.id} has no {field}",
                field=field,
                action="Leave it out, or choose a model that has it by its exact id, such as "
                "qwen-image-3.0.",
            )
        if request.prompt_extend is False and value is not False:
            raise InvalidRequest(
                f"{field} has no effect, because prompt_extend is false",
                field=field,
                action=f"Leave out {field}, or set prompt_extend to true.",
            )


def _check_limits(request: ImageRequest, model: Model) -> None:
    negative = request.negative_prompt or ""
    over = len(negative) - model.negative_prompt_max_characters
    if over > 0:
        raise InvalidRequest(
            f"negative_prompt is {len(negative)} characters, {over} over {model.id}'s limit of "
            f"{model.negative_prompt_max_characters}",
            field="negative_prompt",
            action="Shorten it, because the service would silently cut off the end.",
        )
