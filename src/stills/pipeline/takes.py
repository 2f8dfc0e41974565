"""Takes: plan several images of one request, and make all of them at once."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from stills.contract.errors import BudgetExceeded, StillsError
from stills.contract.generation import OnStageOf
from stills.contract.models import SEED_MAX
from stills.contract.money import format_usd, to_nano_usd, to_usd
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.takes import Take, list_takes, make_takes
from stills.pipeline.context import Options
from stills.pipeline.generate import Pipeline
from stills.pipeline.shared_call import Seat, SharedCall


async def plan_takes(
    pipeline: Pipeline,
    request: ImageRequest,
    *,
    takes: int,
    model_id: str,
    fresh: bool,
    fresh_key: str | None,
) -> tuple[Take, ...]:
    """Return the takes of a request; asking again returns the same ones, unless `fresh`.

    With `fresh`, they are the same for the same `fresh_key`.

    Raises:
        InvalidRequest: the model can't take the request.
        CatalogError: the catalog can't be read.
    """
    if takes == 1:
        return (Take(request),)
    if request.seed is not None:
        seed = request.seed
    elif fresh:
        seed = _new_seed(fresh_key)
    else:
        seed = await pipeline.find_first_seed(request, model_id)
    listed = list_takes(request, takes=takes, seed=seed)
    images_max = pipeline.images_per_call_max(model_id)
    if images_max == 1:
        return listed
    shared: SharedCall[object, object] = SharedCall(seats=takes, images_max=images_max)
    return tuple(replace(take, seat=Seat(shared, number)) for number, take in enumerate(listed))


async def generate_takes(
    pipeline: Pipeline,
    planned: Sequence[Take],
    options: Options,
    on_stage: OnStageOf,
) -> tuple[ImageResult, ...]:
    """Make all takes at once; the rate limit decides when each call starts.

    Raises:
        StillsError: the error of the first take that failed; the others are finished and stored.
    """
    requests = [take.request for take in planned]
    new = len(requests)
    if options.max_cost_usd is not None:
        if not options.fresh:
            statuses = await pipeline.find_statuses(requests, options.model)
            new = sum(not status.is_kept for status in statuses)
        # Equal shares, so that no order of calls can spend more than the cap.
        share = to_nano_usd(options.max_cost_usd) // max(new, 1)
        options = replace(options, max_cost_usd=to_usd(share))

    async def generate(number: int, take: Take) -> ImageResult:
        own = replace(options, take=take, on_stage=lambda stage: on_stage(number, stage))
        try:
            return await pipeline.generate(take.request, own)
        except BudgetExceeded as error:
            raise _explain_share(error, options.max_cost_usd, new) from error

    return await make_takes(planned, generate)


def _new_seed(fresh_key: str | None) -> int:
    if fresh_key is None:
        return secrets.randbelow(SEED_MAX + 1)
    return int.from_bytes(sha256(fresh_key.encode()).digest()[:4]) & SEED_MAX


def _explain_share(error: BudgetExceeded, share_usd: float | None, new: int) -> StillsError:
    if share_usd is None or new == 1:
        return error
    return error.with_(
        message=f"{new} new images share the maximum cost, {format_usd(share_usd)} each: "
        f"{error.message}"
    )
