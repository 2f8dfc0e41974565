"""Record: remember the answered request in the catalog, and build the result."""

from collections.abc import Sequence
from dataclasses import replace
from time import time

from stills.contract.errors import CatalogDamaged, CatalogError, StoreRefused
from stills.contract.generation import Generation, Rendition, RequestRecord
from stills.contract.ports.generations import Generations
from stills.contract.ports.store import Store
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.size import Size
from stills.pipeline.context import Job, known
from stills.pipeline.reference import Reference


async def record(job: Job) -> Job:
    """Record the request and its rendition. One that look_up found is returned even if that fails.

    Raises:
        CatalogError: a new rendition can't be recorded.
        CatalogDamaged: the catalog's file is damaged.
    """
    rendition, catalog = known(job.rendition), job.ports.catalog
    notes = (*(note for one in job.references for note in one.notes), *job.notes)
    answered = [(rendition, make_request_record(job.request, rendition, references=job.references))]
    if job.hit is not None and rendition == job.hit.rendition:
        notes = (*notes, *await try_to_count(catalog, answered))
    else:
        await catalog.record_requests(answered)
    paid = job.sent is not None and job.deadline.pays
    link, problem = await try_to_link(job.ports.store, rendition)
    result = make_result(
        known(job.generation), rendition, link, sent=paid, notes=(*notes, *problem)
    )
    return replace(job, result=replace(result, provider_url=_find_provider_url(job)))


def _find_provider_url(job: Job) -> str | None:
    """Return the link that this request paid for, if it is alive."""
    if job.sent is None or not job.deadline.pays or job.sent.answer.expires_at <= time():
        return None
    return job.sent.answer.image_url


def make_request_record(
    request: ImageRequest, rendition: Rendition, *, references: Sequence[Reference] = ()
) -> RequestRecord:
    """Return a request as the catalog remembers it."""
    return RequestRecord(
        prompt=request.prompt,
        size=rendition.size,
        negative_prompt=request.negative_prompt,
        style=request.style,
        seed=request.seed,
        references=tuple(one.shown for one in references),
    )


async def try_to_count(
    catalog: Generations, answered: Sequence[tuple[Rendition, RequestRecord]]
) -> tuple[str, ...]:
    """Count answers whose renditions are in the catalog; returns notes on what failed.

    Raises:
        CatalogDamaged: the catalog's file is damaged.
    """
    if not answered:
        return ()
    try:
        await catalog.record_requests(answered)
    except CatalogDamaged:
        raise
    except CatalogError:  # a full disk must not keep stored images from being returned
        return ("The catalog can't be written, so this answer is not counted in it.",)
    return ()


async def try_to_link(store: Store, rendition: Rendition) -> tuple[str, tuple[str, ...]]:
    """Return where an image opens, and notes: a link that can't be signed must not lose an image.

    It is then the object's own URL.
    """
    path = rendition.object_path
    try:
        return (await store.links([path]))[0], ()
    except StoreRefused as error:
        return store.url(path), (f"No link could be signed: {error.message}.",)


def make_result(
    generation: Generation,
    rendition: Rendition,
    image_url: str,
    *,
    sent: bool,
    notes: Sequence[str] = (),
) -> ImageResult:
    """Return the caller's result; `sent` if this request paid for it just now."""
    spec, size = generation.spec, rendition.size
    return ImageResult(
        image_url=image_url,
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
        object_path=rendition.object_path,
    )


def _rendering_notes(native: Size, size: Size) -> tuple[str, ...]:
    if size == native:
        return ()
    if size.width > native.width or size.height > native.height:
        return (f"Scaled up from {native}.",)
    if size.width * native.height == size.height * native.width:
        return (f"Scaled down from {native}.",)
    return (f"Cropped and scaled from {native}.",)
