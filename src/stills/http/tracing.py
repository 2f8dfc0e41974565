"""Traces of the service, sent over OTLP: a span for each POST with one for each image in it.

Loaded only if traces are on: it needs the extra `otel`. Attributes follow OpenTelemetry's
conventions for HTTP and GenAI, https://github.com/open-telemetry/semantic-conventions-genai. They
never contain a prompt, key or body.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stills.contract.errors import StillsError
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.http.paths import normalize_route
from stills.service.progress import OnProgress

# The conventions do not name Alibaba Cloud yet, and allow custom names.
_PROVIDER = "alibaba_cloud.model_studio"
_OPERATION = "generate_content"
_FLUSH_SECONDS = 5.0
_SERVER_ERRORS = 500


class Tracing:
    """Wraps the service of one worker. A route finds `tracing` in the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        release = version("stills")
        named = Resource.create({"service.name": "stills", "service.version": release})
        # Not the global provider, because FastAPI and MCP would add spans to it.
        self._provider = TracerProvider(
            resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("stills", release)
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the service, and trace it if the request is a POST."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._flush_before_shutdown(send))
        elif scope["type"] == "http" and scope["method"] == "POST":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @contextmanager
    def image(self, request: ImageRequest, model: str) -> Iterator["ImageSpan"]:
        """Trace one requested image while the context is open."""
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": _OPERATION,
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.request.model": model,
            "gen_ai.output.type": "image",
        }
        if request.seed is not None:
            attributes["gen_ai.request.seed"] = request.seed
        with self._tracer.start_as_current_span(
            f"{_OPERATION} {model}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield ImageSpan(span)
            except BaseException as error:
                # Only the code, because a message may quote the request.
                _fail(span, error.code if isinstance(error, StillsError) else type(error).__name__)
                raise

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["tracing"] = self
        with self._tracer.start_as_current_span(
            "POST",
            context=self._caller(Headers(scope=scope)),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": "POST", "url.scheme": scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= _SERVER_ERRORS:
                        _fail(span, str(status))
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                route = normalize_route(scope["path"])  # normalized by the middleware by now
                if route != "other":
                    span.set_attribute("http.route", route)
                    span.update_name(f"POST {route}")

    def _caller(self, headers: Headers) -> Context:
        carrier = {
            name: headers.getlist(name) for name in ("traceparent", "tracestate") if name in headers
        }
        return self._propagator.extract(carrier, Context())

    def _flush_before_shutdown(self, send: Send) -> Send:
        async def send_noted(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._flush()
            await send(message)

        return send_noted

    async def _flush(self) -> None:
        """Send the remaining spans, within a limit."""
        loop = asyncio.get_running_loop()
        flushed = asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # it took longer than the loop lived
                loop.call_soon_threadsafe(flushed.set)

        # Not a thread of the loop's pool, because the loop would wait for it at its end.
        threading.Thread(target=flush, name="stills-traces", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(flushed.wait(), _FLUSH_SECONDS)


class ImageSpan:
    """The span of one requested image."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def follow(self, on_progress: OnProgress) -> OnProgress:
        """Return a function that notes each stage and calls `on_progress`."""

        def note_stage(stage: Stage, position: int) -> None:
            # A generation that outlives its caller still reports stages.
            if stage is not Stage.CLAIMED and self._span.is_recording():
                self._span.add_event(stage.value)
            on_progress(stage, position)

        return note_stage

    def note_result(self, result: ImageResult) -> None:
        """Note the result."""
        self._span.set_attribute("gen_ai.response.model", result.model)
        self._span.set_attribute("stills.image_id", result.id)
        self._span.set_attribute("stills.cached", result.cached)
        self._span.set_attribute("stills.provider", result.provider)
        if result.cost_usd is not None:
            self._span.set_attribute("stills.cost_usd", result.cost_usd)


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
