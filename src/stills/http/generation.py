"""Images for HTTP requests: with the budget, the log entry and the trace of each request."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.image_address import image_uri
from stills.contract.money import add_usd
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.takes import Take
from stills.http.access_log import get_log_entry
from stills.http.auth import get_budget_owner
from stills.http.settings import Settings
from stills.service.image_service import ImageService
from stills.service.progress import OnProgress, OnTakeProgress, ignore_take_progress
from stills.service.takes import GenerateTake, generate_takes

if TYPE_CHECKING:
    from stills.http.tracing import Tracing


class HttpGeneration:
    """Generates the images that HTTP requests want; one for each worker."""

    def __init__(self, stills: Stills, settings: Settings, service: ImageService) -> None:
        self.stills = stills
        self.settings = settings
        self._service = service

    async def generate_and_log(
        self,
        http_request: Request,
        request: ImageRequest,
        *,
        takes: int,
        model: str | None,
        fresh: bool,
        on_progress: OnTakeProgress,
    ) -> Sequence[ImageResult]:
        """Return takes of `model`, by default the service's own, and log the outcome.

        Raises:
            StillsError: see stills.errors.
        """
        try:
            results = await self.generate_takes(
                http_request,
                request,
                model=model or self.settings.model,
                takes=takes,
                fresh=fresh,
                on_progress=on_progress,
            )
        except StillsError as error:
            get_log_entry(http_request).error = error.code
            raise
        log_results(http_request, results)
        return results

    async def generate_takes(
        self,
        http_request: Request,
        request: ImageRequest,
        *,
        model: str,
        takes: int,
        fresh: bool = False,
        fresh_key: str | None = None,
        on_progress: OnTakeProgress = ignore_take_progress,
    ) -> Sequence[ImageResult]:
        """Return several images of one request, each with the seed after the last one's.

        Raises:
            StillsError: the error of the first that failed; the others are finished and stored.
        """
        if not fresh:
            fresh_key = None  # a stored image will do
        http_request.state.repeat_pays = fresh and fresh_key is None
        get_log_entry(http_request).model = model

        async def generate(take: Take, on_progress: OnProgress) -> ImageResult:
            return await self._service.generate(
                take.request,
                model=model,
                fresh=fresh,
                payer=get_budget_owner(http_request),
                on_progress=_note_sent(http_request, on_progress),
                take=take,
                fresh_key=fresh_key,
            )

        try:
            return await generate_takes(
                self.stills,
                self._name_own_references(http_request, request),
                _trace(http_request, generate, model),
                takes=takes,
                model=model,
                fresh=fresh,
                fresh_key=fresh_key,
                on_progress=on_progress,
            )
        except StillsError as error:
            if error.stored_takes:
                log_results(http_request, error.stored_takes)
            raise

    def _name_own_references(self, http_request: Request, request: ImageRequest) -> ImageRequest:
        """Name references by their ids if they are URLs under which this client sees our images."""
        prefix, suffix = self.settings.own_url(http_request, "\0").split("\0")

        def name(given: str | bytes) -> str | bytes:
            if isinstance(given, bytes) or not given.startswith(prefix):
                return given
            return image_uri(given.partition("?")[0].removeprefix(prefix).removesuffix(suffix))

        return request.with_references([name(one) for one in request.all_references])


def _trace(http_request: Request, generate: GenerateTake, model: str) -> GenerateTake:
    """Return the same function with a span for each take, if requests are traced."""
    tracing: Tracing | None = getattr(http_request.state, "tracing", None)
    if tracing is None:
        return generate

    async def traced(take: Take, on_progress: OnProgress) -> ImageResult:
        with tracing.image(take.request, model) as span:
            result = await generate(take, span.follow(on_progress))
            span.note_result(result)
            return result

    return traced


def _note_sent(http_request: Request, on_progress: OnProgress) -> OnProgress:
    """Return a function that notes in the log entry if anything is sent, and reports progress."""
    entry = get_log_entry(http_request)

    def follow(stage: Stage, position: int) -> None:
        entry.sent = bool(entry.sent) or stage is not Stage.CLAIMED
        on_progress(stage, position)

    return follow


def log_results(
    http_request: Request, results: Sequence[ImageResult], *, replayed: int = 0
) -> None:
    """Log the images that a request got, or how many of an earlier answer were repeated."""
    entry = get_log_entry(http_request)
    entry.images = len(results) or replayed
    entry.cached = all(result.cached for result in results)
    costs = [result.cost_usd for result in results if result.cost_usd is not None]
    entry.cost_usd = add_usd(*costs) if len(costs) == len(results) else None
