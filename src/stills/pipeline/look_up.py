"""Look up: answer from the catalog what needs no new image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from stills.contract.errors import InvalidRequest, StillsError
from stills.contract.generation import CatalogHit, CatalogMiss, Generation, Rendition
from stills.contract.models import Model
from stills.contract.outcome import CatalogAnswer, RequestStatus
from stills.contract.request import ImageRequest
from stills.contract.retirement import retirement_notes
from stills.pipeline.check_prompt import find_long_prompts
from stills.pipeline.context import Job, LoadReference, Plan, known
from stills.pipeline.plan import make_plan
from stills.pipeline.ports import Ports
from stills.pipeline.record import make_request_record, make_result, try_to_count
from stills.pipeline.references import load_references


@dataclass(frozen=True, slots=True)
class _Hit:
    """A request, its index, and the image that answers it."""

    index: int
    request: ImageRequest
    generation: Generation
    rendition: Rendition


async def look_up(job: Job) -> Job:
    """Find the request's image in the catalog; if there is none, check the store before paying.

    Raises:
        WrongStore: the image is new, and the store is not the catalog's or its disk is not mounted.
        CatalogError: the catalog can't be used.
    """
    options, plan = job.options, known(job.plan)
    found: CatalogHit | CatalogMiss = CatalogMiss()
    if not options.fresh:
        found = options.miss or await job.ports.catalog.find(plan.spec.key, plan.size)
    if isinstance(found, CatalogHit):
        job.deadline.stored = True
        return replace(job, hit=found, generation=found.generation, rendition=found.rendition)
    notes = await job.ports.marker.check_before_paying()
    return replace(job, notes=(*notes, *_deletion_notes(found), *retirement_notes(job.model)))


async def answer_from_catalog(
    ports: Ports, requests: Sequence[ImageRequest], model: Model
) -> Sequence[CatalogAnswer]:
    """Answer each request whose image is stored at its size; the others have no result.

    Also no result if anything failed: the caller then generates that image and gets the error.
    """
    answers = [CatalogAnswer()] * len(requests)
    try:
        found, misses = await _find(ports, requests, model)
        for index, miss in misses.items():
            answers[index] = CatalogAnswer(miss=miss)
        hits = await _stored(ports, found)
        links = await ports.store.links([hit.rendition.object_path for hit in hits])
        notes = await try_to_count(
            ports.catalog,
            [(hit.rendition, make_request_record(hit.request, hit.rendition)) for hit in hits],
        )
    except StillsError:
        return answers
    for hit, link in zip(hits, links, strict=True):
        result = make_result(hit.generation, hit.rendition, link, sent=False, notes=notes)
        answers[hit.index] = CatalogAnswer(result)
    return answers


async def find_statuses(
    ports: Ports,
    requests: Sequence[ImageRequest],
    model: Model,
    *,
    load_reference: LoadReference,
) -> Sequence[RequestStatus]:
    """Return for each request whether its image is stored; nothing is sent or written.

    Raises:
        CatalogError: the catalog can't be read.
        LibraryFailed: the tokens of a prompt can't be counted.
    """
    statuses = [RequestStatus()] * len(requests)
    plans: dict[int, Plan] = {}
    for index, request in enumerate(requests):
        try:
            references = await load_references(request, model, load_reference)
            plans[index] = make_plan(
                request, model, provider=ports.provider.name, references=references
            )
        except InvalidRequest as error:
            statuses[index] = RequestStatus(error=error)
    found = await ports.catalog.find_many([(plan.spec.key, plan.size) for plan in plans.values()])
    planned = zip(plans.values(), found, strict=True)
    new = [plan.spec for plan, one in planned if isinstance(one, CatalogMiss)]
    too_long = iter(await find_long_prompts(new, model, ports.tokenizer))
    for (index, plan), one in zip(plans.items(), found, strict=True):
        key, price_usd = plan.spec.key, plan.spec.price_usd
        if isinstance(one, CatalogHit):
            rendition = one.rendition
            url = None if rendition is None else ports.store.url(rendition.object_path)
            status = RequestStatus(is_kept=True, image_url=url, key=key, price_usd=price_usd)
        elif (long_prompt := next(too_long)) is not None:
            status = RequestStatus(error=long_prompt)
        else:
            status = RequestStatus(key=key, price_usd=price_usd, deleted_at=one.deleted_at)
        statuses[index] = status
    return statuses


async def find_key(
    ports: Ports, request: ImageRequest, model: Model, *, load_reference: LoadReference
) -> str:
    """Return the key by which the catalog finds a request's image.

    Raises:
        InvalidRequest: the model can't take the request.
    """
    references = await load_references(request, model, load_reference)
    planned = make_plan(request, model, provider=ports.provider.name, references=references)
    return planned.spec.key


def _deletion_notes(miss: CatalogMiss) -> tuple[str, ...]:
    if miss.deleted_at is None:
        return ()
    date = datetime.fromtimestamp(miss.deleted_at, UTC).date()
    return (f"The image of this request was deleted on {date}, so it was generated again.",)


async def _find(
    ports: Ports, requests: Sequence[ImageRequest], model: Model
) -> tuple[list[_Hit], dict[int, CatalogMiss]]:
    """Return the images at the requested sizes, and the misses by the indexes of requests."""
    plans = [_try_to_plan(request, model, ports.provider.name) for request in requests]
    wanted = [(index, plan) for index, plan in enumerate(plans) if plan is not None]
    hits = await ports.catalog.find_many([(plan.spec.key, plan.size) for _, plan in wanted])
    found, misses = [], {}
    for (index, _), hit in zip(wanted, hits, strict=True):
        if isinstance(hit, CatalogMiss):
            misses[index] = hit
        elif hit.rendition is not None:
            found.append(_Hit(index, requests[index], hit.generation, hit.rendition))
    return found, misses


async def _stored(ports: Ports, hits: list[_Hit]) -> list[_Hit]:
    if not hits:
        return []
    missing = await ports.store.missing(
        {hit.rendition.object_path: hit.rendition.byte_count for hit in hits}
    )
    return [hit for hit in hits if hit.rendition.object_path not in missing]


def _try_to_plan(request: ImageRequest, model: Model, provider: str) -> Plan | None:
    if request.all_references:
        return None  # they would have to be loaded first
    try:
        return make_plan(request, model, provider=provider)
    except StillsError:
        return None
