"""Traces, sent by a real `stills serve` to a real OTLP receiver."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PROMPT = "a red kite over the harbour"
BODY = {"prompt": PROMPT, "size": "512*512", "seed": 7}
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVE = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from stills.cli.main import main
code = main(["serve", "--sandbox", "--port", "0"])
loaded = [name for name in sys.modules if name.startswith({looked_for!r})]
print("loaded", *loaded)
sys.exit(code)
"""
SDK = ("opentelemetry.sdk.trace", "opentelemetry.exporter")


class Receiver:
    """An OTLP/HTTP receiver that stores the bytes it receives."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def spans(self) -> list[Span]:
        groups = [group for one in self.requests() for group in one.resource_spans]
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    running = Receiver()
    app = web.Application()
    app.router.add_post("/v1/traces", running.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    running.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield running
    await runner.cleanup()


class Service:
    """A running `stills serve`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def stop(self) -> str:
        self.process.terminate()
        async with asyncio.timeout(60):
            last = await self.process.stdout.read()
            assert await self.process.wait() == 0
        return last.decode()


async def start(
    tmp_path: Path, *, missing: tuple[str, ...] = (), **variables: str
) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE.format(missing=missing, looked_for=SDK), cwd=tmp_path,
        env=kept | {"HOME": str(tmp_path), "OUTPUT_DIR": str(tmp_path)} | variables,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
async def traced(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Service]:
    """A service that sends traces to the receiver when it stops or its buffer is full."""
    process = await start(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="600000"
    )
    yield await started(process)
    await ended(process)


async def started(process: asyncio.subprocess.Process) -> Service:
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode()
    assert line.startswith("Stills answers at "), await process.stderr.read()
    return Service(process, line.split()[-1].removesuffix("/v1"))


async def ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


def attributes(span: Span) -> dict[str, Any]:
    """Read the attributes of a span."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


async def ask(http: aiohttp.ClientSession, url: str, **headers: str) -> dict[str, Any]:
    """Request the image that all tests here use."""
    async with http.post(f"{url}/v1/image.generate", json=BODY, headers=headers) as answer:
        return await answer.json()


async def test_a_request_and_its_image_are_spans_of_the_callers_trace(receiver, traced, http):
    """Names follow the conventions; the image is a child of the request, that of the caller."""
    result = await ask(http, traced.url, traceparent=f"00-{TRACE}-{CALLER}-01")
    await traced.stop()
    image, request = sorted(receiver.spans(), key=lambda span: span.kind, reverse=True)
    assert request.name == "POST /v1/image.generate"
    assert request.kind == Span.SPAN_KIND_SERVER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/image.generate",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    assert image.name == "generate_content qwen-image-max"
    assert image.kind == Span.SPAN_KIND_CLIENT
    assert attributes(image) == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "alibaba_cloud.model_studio",
        "gen_ai.request.model": "qwen-image-max",
        "gen_ai.response.model": "qwen-image-max",
        "gen_ai.request.seed": 7,
        "gen_ai.output.type": "image",
        "stills.cached": False,
        "stills.cost_usd": result["cost_usd"],
        "stills.image_id": result["id"],
        "stills.provider": "sandbox",
    }
    assert [event.name for event in image.events] == ["sent", "answered", "kept"]
    assert {image.trace_id.hex(), request.trace_id.hex()} == {TRACE}
    assert request.parent_span_id.hex() == CALLER
    assert image.parent_span_id == request.span_id


async def test_a_trace_contains_neither_prompt_nor_key(receiver, traced, http):
    """Whether the image is generated, found, or refused."""
    secret = {"Authorization": "Bearer stills-secret"}
    await ask(http, traced.url, **secret)
    again = await ask(http, traced.url, **secret)
    wrong = {**BODY, "style": 1}
    async with http.post(f"{traced.url}/v1/image.generate?q=secret", json=wrong) as answer:
        assert answer.status == 400
    await traced.stop()
    sent = b"".join(receiver.bodies)
    assert PROMPT.encode() not in sent
    assert b"secret" not in sent
    images = [attributes(span) for span in receiver.spans() if "generate" in span.name.split()[0]]
    assert [one["stills.cached"] for one in images] == [False, True]
    assert again["cached"]


async def test_the_span_of_a_failed_image_has_its_error_code(receiver, traced, http):
    """It has no message, because that may quote the prompt."""
    body = {**BODY, "model": "qwen-image-2.0", "reference_image": "https://127.0.0.1/kite.png"}
    async with http.post(f"{traced.url}/v1/image.generate", json=body) as answer:
        assert answer.status == 400
        code = (await answer.json())["error"]["code"]
    await traced.stop()
    [image] = [span for span in receiver.spans() if span.kind == Span.SPAN_KIND_CLIENT]
    assert attributes(image)["error.type"] == code == "invalid_reference"
    assert image.status.code == Status.STATUS_CODE_ERROR
    assert (image.status.message, list(image.events)) == ("", [])


async def test_the_service_name_can_be_set(tmp_path, receiver, http):
    """It is `stills` unless OpenTelemetry's own variables set another."""
    process = await start(
        tmp_path,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{receiver.url}/v1/traces",
        OTEL_SERVICE_NAME="frames",
    )
    try:
        service = await started(process)
        await ask(http, service.url)
        await service.stop()
    finally:
        await ended(process)
    resource = receiver.requests()[0].resource_spans[0].resource
    named = {one.key: one.value.string_value for one in resource.attributes}
    assert named["service.name"] == "frames"
    assert named["service.version"]


@pytest.mark.parametrize("exporter", ["otlp", "none"])
async def test_without_traces_no_sdk_is_loaded(tmp_path, receiver, http, exporter):
    """Neither SDK nor exporter is imported, even after an image; with traces, both are."""
    process = await start(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_TRACES_EXPORTER=exporter
    )
    try:
        service = await started(process)
        assert (await ask(http, service.url))["seed"] == 7
        loaded = (await service.stop()).split()
    finally:
        await ended(process)
    assert loaded[0] == "loaded"
    assert bool(loaded[1:]) == bool(receiver.bodies) == (exporter == "otlp")


async def test_a_missing_sdk_is_reported_before_the_service_starts(tmp_path):
    """The error says what to install."""
    process = await start(
        tmp_path,
        missing=("opentelemetry.exporter.otlp.proto.http",),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318",
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"pip install 'stills[otel]'" in errors


async def test_a_missing_receiver_delays_nothing(tmp_path, unused_tcp_port, http):
    """Images are returned, and the service stops."""
    process = await start(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{unused_tcp_port}"
    )
    try:
        service = await started(process)
        assert (await ask(http, service.url))["seed"] == 7
        await service.stop()
    finally:
        await ended(process)
