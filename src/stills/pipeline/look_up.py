"""Kept: answer many requests at once out of the catalog, those that need nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from stills.contract.errors import InvalidRequest, StillsError
from stills.contract.generation import Generation, Rendition
from stills.contract.models import Model
from stills.contract.outcome import RequestStatus
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.pipeline.plan import Plan, make_plan
from stills.pipeline.ports import Ports
from stills.pipeline.record import make_request_record, make_result, try_to_count
from stills.pipeline.reference import load_reference


@dataclass(frozen=True, slots=True)
class _Hit:
    """A request, by its place among all, and the image that answers it."""

    place: int
    request: ImageRequest
    generation: Generation
    rendition: Rendition


async def answer_from_catalog(
    ports: Ports, requests: Sequence[ImageRequest], model: Model
) -> Sequence[ImageResult | None]:
    """Answer those whose image is there at the size asked for; None for each of the others.

    Also None where something failed: whoever asks for that one alone gets its error.
    """
    results: list[ImageResult | None] = [None] * len(requests)
    try:
        hits = await _there(ports, await _look_up(ports, requests, model))
        notes = await try_to_count(
            ports.catalog,
            [
                (hit.rendition, make_request_record(hit.request, hit.rendition, reference=None))
                for hit in hits
            ],
        )
    except StillsError:
        return results
    for hit in hits:
        results[hit.place] = make_result(
            hit.generation, hit.rendition, ports.store, sent=False, notes=notes
        )
    return results


async def find_statuses(
    ports: Ports, requests: Sequence[ImageRequest], model: Model
) -> Sequence[RequestStatus]:
    """Tell of each request whether its image is there; nothing is sent, nothing written.

    Raises:
        CatalogError: the catalog can't be read.
    """
    standings = [RequestStatus()] * len(requests)
    plans: dict[int, Plan] = {}
    for place, request in enumerate(requests):
        try:
            reference = await load_reference(
                request.reference_image, ports.imaging, ports.downloader
            )
            plans[place] = make_plan(
                request, model, provider=ports.provider.name, reference=reference
            )
        except InvalidRequest as error:
            standings[place] = RequestStatus(error=error)
    found = await ports.catalog.find_many([(plan.spec.key, plan.size) for plan in plans.values()])
    for (place, plan), one in zip(plans.items(), found, strict=True):
        rendition = None if one is None else one.rendition
        url = None if rendition is None else ports.store.url(rendition.object_path)
        standings[place] = RequestStatus(is_kept=one is not None, image_url=url, key=plan.spec.key)
    return standings


async def _look_up(ports: Ports, requests: Sequence[ImageRequest], model: Model) -> list[_Hit]:
    plans = [_plan(request, model, ports.provider.name) for request in requests]
    wanted = [(place, plan) for place, plan in enumerate(plans) if plan is not None]
    found = await ports.catalog.find_many([(plan.spec.key, plan.size) for _, plan in wanted])
    return [
        _Hit(place, requests[place], one.generation, one.rendition)
        for (place, _), one in zip(wanted, found, strict=True)
        if one is not None and one.rendition is not None
    ]


async def _there(ports: Ports, hits: list[_Hit]) -> list[_Hit]:
    if not hits:
        return []
    missing = await ports.store.missing(
        {hit.rendition.object_path: hit.rendition.byte_count for hit in hits}
    )
    return [hit for hit in hits if hit.rendition.object_path not in missing]


def _plan(request: ImageRequest, model: Model, provider: str) -> Plan | None:
    if request.reference_image is not None:
        return None  # it would have to be loaded first
    try:
        return make_plan(request, model, provider=provider, reference=None)
    except StillsError:
        return None
