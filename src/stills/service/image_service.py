"""One image per call: looked up together with others, else generated in the order of arrival."""

import asyncio
from typing import Protocol

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.errors import Billing
from stills.contract.generation import GenerationSpec
from stills.contract.outcome import CatalogAnswer
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.takes import Take
from stills.service.lookup_batcher import LookupBatcher
from stills.service.progress import OnProgress, ignore_progress
from stills.service.queue import Queue


class ServiceObserver(Protocol):
    """Counts what a service does."""

    def count_image(self, result: ImageResult, price_usd: float | None) -> None:
        """Count one image; `price_usd` is what a cached one would have cost."""
        ...

    def count_billing(self, spec: GenerationSpec, billing: Billing) -> None:
        """Count the billing of one API call, even if its caller has left."""
        ...

    def set_queue_length(self, length: int) -> None:
        """Set how many generations wait for their start."""
        ...


class ImageService:
    """Answers the image requests of one process.

    Once `stop` is set, nothing more is sent to the provider.
    """

    def __init__(
        self,
        stills: Stills,
        *,
        observer: ServiceObserver | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        self._stills = stills
        self._observer = observer
        self._stop = stop
        self._batcher = LookupBatcher(stills)
        self._queue = Queue(observer.set_queue_length if observer else lambda _: None)
        self._on_send_settled = observer.count_billing if observer else None

    async def generate(
        self,
        request: ImageRequest,
        *,
        model: str | None = None,
        fresh: bool = False,
        payer: BudgetOwner | None = None,
        on_progress: OnProgress = ignore_progress,
        take: Take | None = None,
        fresh_key: str | None = None,
    ) -> ImageResult:
        """Return the image of a request, from the catalog if it is stored there.

        `fresh` always pays for a new image, which requests with the same `fresh_key` share. `take`
        is the take that the request is, if it is one.

        Raises:
            StillsError: see stills.contract.errors.
        """
        model = self._stills.model(model).id
        on_stage, leave = self._queue.follow(on_progress)
        try:
            answer = CatalogAnswer()
            if not fresh:
                answer = await self._batcher.look_up(request, model=model)
            result = answer.result
            if result is None:
                result = await self._stills.generate(
                    request,
                    model=model,
                    fresh=fresh,
                    payer=payer,
                    stop=self._stop,
                    on_stage=on_stage,
                    on_send_settled=self._on_send_settled,
                    miss=answer.miss,
                    take=take,
                    fresh_key=fresh_key,
                )
        finally:
            leave()
        if self._observer is not None:
            self._observer.count_image(result, self._stills.price_usd(request, model=model))
        return result

    async def close(self) -> None:
        """Cancel the look-up in progress."""
        await self._batcher.close()
