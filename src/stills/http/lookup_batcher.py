"""Front: requests that arrive together are looked up together; what is not there is generated."""

import asyncio
from dataclasses import dataclass

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.errors import StillsError
from stills.contract.generation import OnSendSettled, OnStage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult


@dataclass(frozen=True, slots=True)
class _Asked:
    request: ImageRequest
    model: str
    answer: "asyncio.Future[ImageResult | None]"


class LookupBatcher:
    """Answers the requests of one process. One look-up in the catalog serves all who wait."""

    def __init__(self, stills: Stills, *, on_send_settled: OnSendSettled) -> None:
        self._stills = stills
        self._on_send_settled = on_send_settled
        self._asked: list[_Asked] = []
        self._looking: asyncio.Task[None] | None = None

    async def ask(
        self,
        request: ImageRequest,
        *,
        model: str,
        payer: BudgetOwner | None = None,
        on_stage: OnStage | None = None,
    ) -> ImageResult:
        """Answer a request, out of the catalog if it can be.

        Raises:
            StillsError: see stills.contract.errors.
        """
        kept = await self._look_up(request, model)
        if kept is not None:
            return kept
        return await self._stills.generate(
            request,
            model=model,
            payer=payer,
            on_stage=on_stage,
            on_send_settled=self._on_send_settled,
        )

    async def close(self) -> None:
        """End the look-up that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look_up(self, request: ImageRequest, model: str) -> ImageResult | None:
        if request.reference_image is not None:
            return None  # it would have to be loaded first
        answer: asyncio.Future[ImageResult | None] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(request, model, answer))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        try:
            while self._asked:
                model = self._asked[0].model
                together = [asked for asked in self._asked if asked.model == model]
                self._asked = [asked for asked in self._asked if asked.model != model]
                await self._answer(together, model)
        finally:
            self._looking = None
            for asked in self._asked:
                asked.answer.cancel()

    async def _answer(self, together: list[_Asked], model: str) -> None:
        answers: list[ImageResult | None] = [None] * len(together)
        try:
            requests = [asked.request for asked in together]
            answers = list(await self._stills.answer_from_catalog(requests, model=model))
        except StillsError:
            pass  # whoever is told nothing asks alone, and gets the error
        finally:
            for asked, answer in zip(together, answers, strict=True):
                if not asked.answer.done():
                    asked.answer.set_result(answer)
