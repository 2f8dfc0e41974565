"""The key shows in no repr, no pickle, no log, no error and no file."""

import asyncio
import copy
import logging
import pickle
import traceback

import pytest
from aiohttp import web

from stills.contract.errors import StillsError
from stills.contract.request import ImageRequest
from stills.contract.size import Size
from stills.provider import dashscope
from stills.provider.credentials import Credentials, ProviderKey
from stills.sandbox import DOWNLOAD_FAULTS, Fault, FaultKind
from stills.sandbox.faults import GENERATION_FAULTS, TASK_FAULTS, TASK_QUERY_FAULTS

PATIENCE = 20.0
MODEL = "qwen-image-3.0"


@pytest.fixture
def no_key_in(key):
    """Check that neither the key nor an end of it is in a text or in bytes."""

    def check(*texts: str | bytes) -> None:
        for text in texts:
            raw = text if isinstance(text, bytes) else text.encode(errors="replace")
            for part in (key, key[-6:], key[11:20]):
                assert part.encode() not in raw

    return check


@pytest.fixture
def logged(caplog):
    """Everything that any logger says, formatted with its traceback."""
    caplog.set_level(logging.DEBUG)
    for name in ("dashscope", "aiohttp", "asyncio", "stills"):
        caplog.set_level(logging.DEBUG, logger=name)
    return lambda: caplog.text + "".join(repr(vars(record)) for record in caplog.records)


async def ask(provider, task_id):
    return await provider.ask_task(
        task_id, model=MODEL, has_reference=False, timeout_seconds=PATIENCE
    )


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + str(error) + repr(error)


def test_a_key_shows_in_no_text_of_its_objects(key, no_key_in):
    """Neither repr, str nor a format shows it."""
    credentials = Credentials(ProviderKey(key), "https://dashscope.aliyuncs.com/api/v1")
    for thing in (credentials, credentials.key):
        no_key_in(repr(thing), str(thing), f"{thing}", f"{[thing]}")


def test_a_key_can_not_be_pickled_or_copied(key):
    """Nor can what holds it."""
    for thing in (ProviderKey(key), Credentials(ProviderKey(key), "https://x.example/api/v1")):
        for write in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="can't be pickled"):
                write(thing)


@pytest.mark.parametrize("kind", sorted(GENERATION_FAULTS | DOWNLOAD_FAULTS))
async def test_no_fault_logs_or_raises_the_key(
    provider, sandbox, provider_request, kind, logged, no_key_in
):
    """This holds with every logger at DEBUG, and for the complete traceback."""
    sandbox.set_faults(Fault(kind, delay_seconds=60))
    is_slow = kind in {FaultKind.SLOW, FaultKind.SLOW_DOWNLOAD}
    seconds = 1.0 if is_slow else PATIENCE
    try:
        answer = await provider.send(provider_request(), timeout_seconds=seconds)
        await provider.download(answer.image_url, timeout_seconds=seconds)
    except StillsError as error:
        no_key_in(shown(error))
    else:
        # What is wrong with these pictures is for the pipeline to see.
        assert kind in DOWNLOAD_FAULTS
    assert "dashscope" in logged()
    no_key_in(logged(), repr(provider), repr(vars(provider)))


@pytest.mark.parametrize("kind", sorted(TASK_FAULTS | TASK_QUERY_FAULTS))
async def test_no_fault_of_a_task_logs_or_raises_the_key(
    provider, sandbox, provider_request, kind, logged, no_key_in
):
    """Asking for a task is guarded like a call."""
    sandbox.set_faults(Fault(kind, times=3, delay_seconds=0.1))
    request = provider_request(model=MODEL, size=Size(512, 512))
    task_id = await provider.create_task(request, timeout_seconds=PATIENCE)
    for _ in range(5):
        try:
            outcome = await ask(provider, task_id)
        except StillsError as error:
            outcome = error
        no_key_in(shown(outcome) if isinstance(outcome, StillsError) else repr(outcome))
    assert "dashscope" in logged()
    no_key_in(logged(), repr(vars(provider)))


@pytest.mark.parametrize("is_state", [True, False])
async def test_a_task_that_quotes_the_key_is_redacted(
    answering, make_provider, key, no_key_in, is_state
):
    """Neither the error of a task nor a state that does not exist shows it."""
    output = {"task_id": "t", "task_status": "FAILED", "code": f"Bad.{key}", "message": f"no {key}"}
    if is_state:
        output = {"task_id": "t", "task_status": key}
    provider = await make_provider((await answering({"output": output})).base_url)
    try:
        error = await ask(provider, "t")
    except StillsError as raised:
        error = raised
    assert "***" in error.message
    no_key_in(shown(error))


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("content_type", ["application/json", "text/html", "multipart/mixed"])
async def test_a_service_that_quotes_the_key_is_redacted(
    answering, make_provider, provider_request, key, logged, no_key_in, status, content_type
):
    """Keys in code, message and request id appear in no error and no log."""
    quoted = f"Incorrect API key {key} provided \x1b[31m"
    body = {"code": f"Invalid {key}", "message": quoted, "request_id": key}
    service = await answering(body, status=status, Content_Type=content_type)
    provider = await make_provider(service.base_url)
    with pytest.raises(StillsError) as caught:
        await provider.send(provider_request(), timeout_seconds=PATIENCE)
    assert "Incorrect API key *** provided" in caught.value.message
    assert "\x1b" not in caught.value.message
    no_key_in(shown(caught.value), caught.value.request_id or "", logged())


async def test_a_key_of_any_form_is_redacted(answering, make_provider, provider_request, logged):
    """Keys without the sk- prefix are recognised by their value."""
    key = "QZ7recognisable0key9SUFFIX"
    body = {"code": "InvalidApiKey", "message": f"Incorrect API key {key} provided"}
    service = await answering(body | {"request_id": key}, status=401)
    provider = await make_provider(service.base_url, key=key)
    with pytest.raises(StillsError) as caught:
        await provider.send(provider_request(), timeout_seconds=PATIENCE)
    assert "Incorrect API key *** provided" in caught.value.message
    token = dashscope.CURRENT_WIRE.set(dashscope.Wire(key))
    logging.getLogger("dashscope").error("Response with %s", key)
    dashscope.CURRENT_WIRE.reset(token)
    assert "Response with ***" in logged()
    for text in (shown(caught.value), caught.value.request_id or "", logged(), repr(provider)):
        assert key not in text


async def test_a_broken_answer_that_quotes_the_key_is_redacted(
    serve, make_provider, provider_request, key, logged, no_key_in
):
    """The HTTP parser's error quotes what it can't parse."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        request.transport.write(f"HTTP/1.1 {key} nonsense\r\n\r\n".encode())
        request.transport.close()
        await asyncio.sleep(0.1)
        return web.Response()

    service = await serve(handle)
    with pytest.raises(StillsError) as caught:
        await (await make_provider(service.base_url)).send(
            provider_request(), timeout_seconds=PATIENCE
        )
    no_key_in(shown(caught.value), logged())


async def test_nothing_stored_contains_the_key(
    make_stills, sandbox, key, tmp_path, logged, no_key_in
):
    """Database, store and spool are checked after an image, a failure and a broken download."""
    stills = await make_stills(key=key)
    for kind in (FaultKind.UNAVAILABLE, FaultKind.CONTENT_REFUSED, FaultKind.TRUNCATED_PNG):
        sandbox.set_faults(Fault(kind, times=None if kind is FaultKind.TRUNCATED_PNG else 1))
        try:
            await stills.generate(ImageRequest(prompt=f"a kite {kind}", size="512*512"))
        except StillsError as error:
            no_key_in(shown(error))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} >= {".db", ".png", ".bin"}
    no_key_in(*(path.read_bytes() for path in kept), logged())
