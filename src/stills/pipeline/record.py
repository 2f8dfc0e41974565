"""Record: what the catalog remembers of an answer, and the answer itself."""

from collections.abc import Sequence

from stills.contract.errors import CatalogDamaged, CatalogError
from stills.contract.generation import Generation, Rendition, RequestRecord
from stills.contract.ports.generations import Generations
from stills.contract.ports.store import Store
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.size import Size
from stills.pipeline.reference import Reference


def make_request_record(
    request: ImageRequest, rendition: Rendition, *, reference: Reference | None
) -> RequestRecord:
    """Say what was asked, as the catalog remembers it."""
    return RequestRecord(
        prompt=request.prompt,
        size=rendition.size,
        negative_prompt=request.negative_prompt,
        style=request.style,
        seed=request.seed,
        reference=reference.shown if reference else None,
    )


async def try_to_count(
    catalog: Generations, answered: Sequence[tuple[Rendition, RequestRecord]]
) -> tuple[str, ...]:
    """Count answers with renditions that the catalog knows; gives notes on what went wrong.

    Raises:
        CatalogDamaged: its file is damaged.
    """
    try:
        await catalog.record_requests(answered)
    except CatalogDamaged:
        raise
    except CatalogError:  # a full disk takes nothing from who only wants what is there
        return ("The catalog can't be written, so this answer is not counted in it.",)
    return ()


def make_result(
    generation: Generation,
    rendition: Rendition,
    store: Store,
    *,
    sent: bool,
    notes: Sequence[str] = (),
) -> ImageResult:
    """Say what the caller gets; `sent` if it was paid for just now."""
    spec, size = generation.spec, rendition.size
    return ImageResult(
        image_url=store.url(rendition.object_path),
        width=size.width,
        height=size.height,
        seed=spec.seed,
        id=rendition.id,
        cached=not sent,
        provider=spec.provider,
        model=spec.model,
        native_size=str(spec.native_size),
        cost_usd=spec.price_usd if sent else 0.0,
        notes=(*generation.notes, *_rendering_notes(spec.native_size, size), *notes),
    )


def _rendering_notes(native: Size, size: Size) -> tuple[str, ...]:
    if size == native:
        return ()
    if size.width > native.width or size.height > native.height:
        return (f"Scaled up from {native}.",)
    if size.width * native.height == size.height * native.width:
        return (f"Scaled down from {native}.",)
    return (f"Cropped and scaled from {native}.",)
