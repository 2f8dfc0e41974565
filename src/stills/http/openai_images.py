"""Images for OpenAI's clients: read a request, generate, and answer in its form."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stills.http.event_stream import COMMENT, Emit, answer_events, stream_events
from stills.http.generation import HttpGeneration, log_results
from stills.http.idempotency import IdempotentResult, answer_once
from stills.http.jobs import HttpJobs, prefers_job
from stills.http.openai_answer import AnswerShape, Base64Encoder, answer_images, name_ignored
from stills.http.openai_request import OpenAiRequest, read_generation, says_no_cache
from stills.http.openai_stream import emit_images
from stills.service.progress import OnTakeProgress, ignore_take_progress


class OpenAiImages:
    """Answers the requests of OpenAI's clients; one for each worker."""

    def __init__(self, generation: HttpGeneration, jobs: HttpJobs) -> None:
        self._generation = generation
        self._jobs = jobs
        self._encoder = Base64Encoder(generation.stills)

    def read(
        self,
        request: Request,
        fields: Mapping[str, Any],
        uploaded: Sequence[str | bytes] = (),
        *,
        reference_required: bool = False,
        only_bytes: bool = False,
    ) -> OpenAiRequest:
        """Read the fields of a request; `uploaded` are the references of its form.

        `only_bytes` is whether URLs are returned only on request.

        Raises:
            InvalidRequest: a field is unknown, missing, of the wrong type or out of range.
        """
        settings = self._generation.settings
        return read_generation(
            fields,
            default_model=settings.model,
            aliases=settings.model_aliases,
            models=self._generation.stills.models,
            no_cache=says_no_cache(request.headers),
            uploaded=uploaded,
            reference_required=reference_required,
            only_bytes=only_bytes,
        )

    async def answer(
        self,
        request: Request,
        wanted: OpenAiRequest,
        content: bytes,
        *,
        event: str,
        shape: AnswerShape = AnswerShape.OPENAI,
    ) -> Response:
        """Answer with images: in a stream, each is an `event`.

        `content` is what equal requests with an Idempotency-Key have in common.

        Raises:
            StillsError: see stills.contract.errors.
        """
        settings = self._generation.settings
        if prefers_job(request):
            with wanted.references.named_in_errors():
                return await self._jobs.submit_one(
                    request,
                    wanted.first,
                    model=wanted.model,
                    takes=wanted.count,
                    fresh=wanted.fresh,
                )
        if not wanted.output.streams:
            answered = await self._make(request, wanted, content)
            urls = [settings.image_url(request, one.id, one.image_url) for one in answered.results]
            return await answer_images(
                answered, urls, wanted.output, wanted.ignored, self._encoder, shape=shape
            )

        async def work(emit: Emit) -> None:
            answered = await self._make(request, wanted, content, lambda *_: emit(COMMENT))
            await emit_images(emit, event, answered, wanted.output, self._encoder)

        events = stream_events(request, work, settings.keep_alive_seconds, in_openai_shape=True)
        return await answer_events(events, name_ignored(wanted.ignored))

    async def _make(
        self,
        request: Request,
        wanted: OpenAiRequest,
        content: bytes,
        on_progress: OnTakeProgress = ignore_take_progress,
    ) -> IdempotentResult:
        with wanted.references.named_in_errors():
            answered = await answer_once(
                self._generation.stills,
                request,
                content,
                lambda fresh_key: self._generation.generate_takes(
                    request,
                    wanted.first,
                    model=wanted.model,
                    takes=wanted.count,
                    fresh=wanted.fresh,
                    fresh_key=fresh_key,
                    on_progress=on_progress,
                ),
            )
        log_results(request, answered.own_results, replayed=len(answered.results))
        return answered
