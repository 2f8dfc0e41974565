"""Images for HTTP requests: with the budget, the log entry and the trace of each request."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.money import add_usd
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.http.access_log import get_log_entry
from stills.http.auth import get_budget_owner
from stills.http.openai_request import variations
from stills.http.settings import Settings
from stills.service.image_service import ImageService
from stills.service.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from stills.http.tracing import Tracing


class HttpGeneration:
    """Generates the images that HTTP requests want; one for each worker."""

    def __init__(self, stills: Stills, settings: Settings, service: ImageService) -> None:
        self.stills = stills
        self.settings = settings
        self._service = service

    async def generate(
        self,
        http_request: Request,
        request: ImageRequest,
        *,
        model: str,
        fresh: bool = False,
        on_progress: OnProgress = ignore_progress,
    ) -> ImageResult:
        """Return one image; `fresh` always pays for a new one.

        Raises:
            StillsError: see stills.contract.errors.
        """
        http_request.state.fresh = fresh
        get_log_entry(http_request).model = model
        tracing: Tracing | None = getattr(http_request.state, "tracing", None)
        if tracing is None:
            return await self._generate(http_request, request, model, fresh, on_progress)
        with tracing.image(request, model) as span:
            on_progress = span.follow(on_progress)
            result = await self._generate(http_request, request, model, fresh, on_progress)
            span.note_result(result)
            return result

    async def generate_and_log(
        self,
        http_request: Request,
        request: ImageRequest,
        model: str | None,
        fresh: bool,
        on_progress: OnProgress,
    ) -> ImageResult:
        """Return one image of `model`, by default the service's own, and log the outcome.

        Raises:
            StillsError: see stills.contract.errors.
        """
        try:
            result = await self.generate(
                http_request,
                request,
                model=model or self.settings.model,
                fresh=fresh,
                on_progress=on_progress,
            )
        except StillsError as error:
            get_log_entry(http_request).error = error.code
            raise
        log_results(http_request, [result])
        return result

    async def generate_variations(
        self, http_request: Request, first: ImageRequest, *, model: str, count: int, fresh: bool
    ) -> Sequence[ImageResult]:
        """Return `count` images, with seeds that count up from the seed of the first.

        Raises:
            StillsError: the error of the first that failed; the others are finished and stored.
        """
        result = await self.generate(http_request, first, model=model, fresh=fresh)
        others = await asyncio.gather(
            *(
                self.generate(http_request, other, model=model, fresh=fresh)
                for other in variations(first, seed=result.seed, count=count)
            ),
            return_exceptions=True,
        )
        results = [result, *(other for other in others if isinstance(other, ImageResult))]
        for other in others:
            if isinstance(other, StillsError):
                seeds = ", ".join(str(one.seed) for one in results)
                noun = "seed" if len(results) == 1 else "seeds"
                generated = f"{len(results)} of {count} images were generated ({noun} {seeds})"
                raise other.with_(message=f"{generated}; {other.message}") from other
            if isinstance(other, BaseException):
                raise other
        return results

    async def _generate(
        self,
        http_request: Request,
        request: ImageRequest,
        model: str,
        fresh: bool,
        on_progress: OnProgress,
    ) -> ImageResult:
        entry = get_log_entry(http_request)

        def follow(stage: Stage, position: int) -> None:
            entry.sent = bool(entry.sent) or stage is not Stage.CLAIMED
            on_progress(stage, position)

        return await self._service.generate(
            await self._read_own_references(http_request, request),
            model=model,
            fresh=fresh,
            payer=get_budget_owner(http_request),
            on_progress=follow,
        )

    async def _read_own_references(
        self, http_request: Request, request: ImageRequest
    ) -> ImageRequest:
        """Read references that this service stores: its own URLs could not be fetched."""
        prefix, suffix = self.settings.image_url(http_request, "\0").split("\0")

        async def read(given: str | bytes) -> str | bytes:
            if isinstance(given, bytes):
                return given
            if not (given.startswith(prefix) and given.endswith(suffix)):
                return given
            image = await self.stills.images.find(given.removeprefix(prefix).removesuffix(suffix))
            return given if image is None else await self.stills.images.read(image)

        return request.with_references([await read(one) for one in request.all_references])


def log_results(
    http_request: Request, results: Sequence[ImageResult], *, replayed: int = 0
) -> None:
    """Log the images that a request got, or how many of an earlier answer were repeated."""
    entry = get_log_entry(http_request)
    entry.images = len(results) or replayed
    entry.cached = all(result.cached for result in results)
    costs = [result.cost_usd for result in results if result.cost_usd is not None]
    entry.cost_usd = add_usd(*costs) if len(costs) == len(results) else None
