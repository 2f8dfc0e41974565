"""Asking: what the routes that make images share; one for each worker."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.money import add_usd
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.http.lookup_batcher import LookupBatcher
from stills.http.metrics import Metrics
from stills.http.middleware import get_budget_owner, get_log_entry
from stills.http.openai_request import variations
from stills.http.queue import OnProgress, Queue
from stills.http.settings import Settings

if TYPE_CHECKING:
    from stills.http.tracing import Tracing


class ImageService:
    """Asks for images on behalf of a caller, and counts them."""

    def __init__(self, stills: Stills, settings: Settings, metrics: Metrics) -> None:
        self.stills = stills
        self.settings = settings
        self._metrics = metrics
        self._front = LookupBatcher(stills, on_send_settled=metrics.billed)
        self._line = Queue(metrics)

    async def ask(
        self,
        asker: Request,
        wanted: ImageRequest,
        *,
        model: str,
        on_place: OnProgress = lambda _stage, _position: None,
    ) -> ImageResult:
        """Get one image.

        Raises:
            StillsError: see stills.contract.errors.
        """
        get_log_entry(asker).model = model
        tracing: Tracing | None = getattr(asker.state, "tracing", None)
        if tracing is None:
            return await self._ask(asker, wanted, model, on_place)
        with tracing.image(wanted, model) as span:
            result = await self._ask(asker, wanted, model, span.follow(on_place))
            span.answered(result)
            return result

    async def _ask(
        self, asker: Request, wanted: ImageRequest, model: str, on_place: OnProgress
    ) -> ImageResult:
        payer, entry = get_budget_owner(asker), get_log_entry(asker)

        def tell(stage: Stage, position: int) -> None:
            entry.sent = bool(entry.sent) or stage is not Stage.CLAIMED
            on_place(stage, position)

        wanted = await self._with_own_image(asker, wanted)
        on_stage, leave = self._line.follow(tell)
        try:
            result = await self._front.ask(wanted, model=model, payer=payer, on_stage=on_stage)
        finally:
            leave()
        self._metrics.made(result, self.stills.model(result.model).price_usd)
        return result

    async def _with_own_image(self, asker: Request, wanted: ImageRequest) -> ImageRequest:
        """Read a reference that is an image of this service's, for it would not be fetched."""
        given = wanted.reference_image
        if not isinstance(given, str):
            return wanted
        before, after = self.settings.image_url(asker, "\0").split("\0")
        if not (given.startswith(before) and given.endswith(after)):
            return wanted
        image = await self.stills.images.find(given[len(before) : len(given) - len(after)])
        if image is None:
            return wanted
        return replace(wanted, reference_image=await self.stills.images.read(image))

    async def ask_one(
        self, asker: Request, wanted: ImageRequest, model: str | None, on_place: OnProgress
    ) -> ImageResult:
        """Get one image, without `model` of the service's own, and note it in the log line.

        Raises:
            StillsError: see stills.contract.errors.
        """
        try:
            result = await self.ask(
                asker, wanted, model=model or self.settings.model, on_place=on_place
            )
        except StillsError as error:
            get_log_entry(asker).error = error.code
            raise
        note(asker, [result])
        return result

    async def ask_all(
        self, asker: Request, first: ImageRequest, *, model: str, count: int
    ) -> Sequence[ImageResult]:
        """Get an image and its variations; the first says what seed they count from.

        Raises:
            StillsError: of the first that failed; the others are finished and kept.
        """
        result = await self.ask(asker, first, model=model)
        more = variations(first, seed=result.seed, count=count)
        rest = await asyncio.gather(
            *(self.ask(asker, one, model=model) for one in more), return_exceptions=True
        )
        made = [result, *(one for one in rest if isinstance(one, ImageResult))]
        for one in rest:
            if isinstance(one, StillsError):
                seeds = ", ".join(str(each.seed) for each in made)
                message = f"{len(made)} of {count} are made, with seeds {seeds}; {one.message}"
                raise one.with_(message=message) from one
            if isinstance(one, BaseException):
                raise one
        return made

    async def close(self) -> None:
        """End what is under way here."""
        await self._front.close()


def note(asker: Request, asked: Sequence[ImageResult], *, replayed: int = 0) -> None:
    """Fill in what the log says of a request: images that it got, or that others had got before."""
    entry = get_log_entry(asker)
    entry.images = len(asked) or replayed
    entry.cached = all(result.cached for result in asked)
    costs = [result.cost_usd for result in asked if result.cost_usd is not None]
    entry.cost_usd = add_usd(*costs) if len(costs) == len(asked) else None
