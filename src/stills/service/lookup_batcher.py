"""Look up requests that arrive together with one query of the catalog."""

import asyncio
from dataclasses import dataclass

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.contract.outcome import CatalogAnswer
from stills.contract.request import ImageRequest


@dataclass(frozen=True, slots=True)
class _Lookup:
    request: ImageRequest
    model: str
    answer: "asyncio.Future[CatalogAnswer]"


class LookupBatcher:
    """Looks up the requests of one process; all that wait at the same time share a query."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._waiting: list[_Lookup] = []
        self._task: asyncio.Task[None] | None = None

    async def look_up(self, request: ImageRequest, *, model: str) -> CatalogAnswer:
        """Return the stored image of a request, or whether it needs a new one."""
        if request.all_references:
            return CatalogAnswer()  # they would have to be loaded first
        answer: asyncio.Future[CatalogAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Lookup(request, model, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """Cancel the query in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                model = self._waiting[0].model
                batch = [lookup for lookup in self._waiting if lookup.model == model]
                self._waiting = [lookup for lookup in self._waiting if lookup.model != model]
                await self._answer(batch, model)
        finally:
            self._task = None
            for lookup in self._waiting:
                lookup.answer.cancel()

    async def _answer(self, batch: list[_Lookup], model: str) -> None:
        answers = [CatalogAnswer()] * len(batch)
        try:
            requests = [lookup.request for lookup in batch]
            answers = list(await self._stills.answer_from_catalog(requests, model=model))
        except StillsError:
            pass  # each request goes on by itself and gets its own error
        finally:
            for lookup, answer in zip(batch, answers, strict=True):
                if not lookup.answer.done():
                    lookup.answer.set_result(answer)
