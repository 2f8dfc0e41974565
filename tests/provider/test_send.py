"""One call is one request on the wire, and its error says what it may have cost."""

import asyncio
import socket
import ssl
from importlib.metadata import version
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from stills.contract.errors import (
    AccessDenied,
    AccountOverdue,
    AnswerTimeout,
    Billing,
    ConnectionLost,
    ContentRefused,
    InvalidReference,
    ModelNotServed,
    NoImage,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
    UnexpectedAnswer,
    WrongKey,
)
from stills.contract.size import Size
from stills.provider import dashscope
from stills.sandbox import Fault, FaultKind
from stills.sandbox.faults import GENERATION_FAULTS
from stills.web import Proxy

PATIENCE = 20.0

FAULTS = {
    FaultKind.THROTTLED: (RateLimited, Billing.NONE, "Throttling.RateQuota"),
    FaultKind.TOKENS_THROTTLED: (RateLimited, Billing.NONE, "Throttling.AllocationQuota"),
    FaultKind.QUOTA_EXHAUSTED: (QuotaExhausted, Billing.NONE, "Free allocated quota"),
    FaultKind.FREE_TIER_USED: (QuotaExhausted, Billing.NONE, "AllocationQuota.FreeTierOnly"),
    FaultKind.PREPAID_OVERDUE: (AccountOverdue, Billing.NONE, "PrepaidBillOverdue"),
    FaultKind.POSTPAID_OVERDUE: (AccountOverdue, Billing.NONE, "PostpaidBillOverdue"),
    FaultKind.NOT_PURCHASED: (AccessDenied, Billing.NONE, "CommodityNotPurchased"),
    FaultKind.WORKSPACE_DENIED: (AccessDenied, Billing.NONE, "no access to the workspace"),
    FaultKind.INTERNAL_ERROR: (ServiceUnavailable, Billing.NONE, "InternalError"),
    FaultKind.UNAVAILABLE: (ServiceUnavailable, Billing.NONE, "ServiceUnavailable"),
    FaultKind.GATEWAY_HTML: (ServiceUnavailable, Billing.POSSIBLE, "502"),
    FaultKind.GATEWAY_UNAVAILABLE: (ServiceUnavailable, Billing.NONE, "503"),
    FaultKind.GATEWAY_TIMEOUT: (ServiceUnavailable, Billing.POSSIBLE, "504"),
    FaultKind.TOO_LARGE: (InvalidReference, Billing.NONE, "413"),
    FaultKind.DROP_BEFORE: (ConnectionLost, Billing.POSSIBLE, "connection"),
    FaultKind.DROP_AFTER: (ConnectionLost, Billing.POSSIBLE, "connection"),
    FaultKind.TRUNCATED_ANSWER: (UnexpectedAnswer, Billing.POSSIBLE, "200"),
    FaultKind.HTML_ANSWER: (UnexpectedAnswer, Billing.POSSIBLE, "200"),
    FaultKind.NO_IMAGE: (NoImage, Billing.NONE, "without an image"),
    FaultKind.FEWER_IMAGES: (NoImage, Billing.NONE, "without an image"),
    FaultKind.ERROR_IN_200: (ServiceUnavailable, Billing.NONE, "InternalError: An internal"),
    FaultKind.CONTENT_REFUSED: (ContentRefused, Billing.NONE, "DataInspectionFailed"),
    FaultKind.IP_INFRINGEMENT: (ContentRefused, Billing.NONE, "IPInfringementSuspect"),
    FaultKind.FAQ_BLOCKED: (ContentRefused, Billing.NONE, "FaqRuleBlocked"),
    FaultKind.REFERENCE_NOT_INSPECTED: (InvalidReference, Billing.NONE, "DataInspection"),
    FaultKind.REFERENCE_URL_INVALID: (InvalidReference, Billing.NONE, "InvalidURL"),
    FaultKind.REFERENCE_NOT_DOWNLOADED: (InvalidReference, Billing.NONE, "InvalidFile"),
    FaultKind.REFERENCE_UNREADABLE: (InvalidReference, Billing.NONE, "InvalidImage"),
    FaultKind.MODEL_NOT_EXIST: (ModelNotServed, Billing.NONE, "Model not exist"),
    FaultKind.RETIRED_MODEL: (ModelNotServed, Billing.NONE, "ModelNotFound"),
}
OF_GATEWAYS = {
    FaultKind.GATEWAY_HTML,
    FaultKind.GATEWAY_UNAVAILABLE,
    FaultKind.GATEWAY_TIMEOUT,
    FaultKind.TOO_LARGE,
    FaultKind.DROP_BEFORE,
    FaultKind.DROP_AFTER,
    FaultKind.TRUNCATED_ANSWER,
    FaultKind.HTML_ANSWER,
}
REFERENCE_URL = "https://oss.example/cat.png"


async def failure(provider, provider_request, *, timeout_seconds: float = PATIENCE) -> StillsError:
    with pytest.raises(StillsError) as caught:
        await provider.send(provider_request, timeout_seconds=timeout_seconds)
    return caught.value


async def test_a_request_is_sent_as_the_services_parameters(provider, sandbox, provider_request):
    """Every field arrives; the timeout is not sent."""
    sent = provider_request(negative_prompt="fog", size=Size(1664, 928), seed=99, watermark=True)
    answer = await provider.send(sent, timeout_seconds=PATIENCE)
    (send,) = sandbox.ledger.sends
    assert (send.model, send.prompt) == ("qwen-image-max", "a red kite")
    assert send.parameters == {
        "n": 1,
        "negative_prompt": "fog",
        "size": "1664*928",
        "seed": 99,
        "prompt_extend": True,
        "watermark": True,
    }
    assert answer.request_id == send.request_id


async def test_the_service_is_told_the_version(answering, make_provider, provider_request):
    """Its log names the release that made a call, next to the SDK's."""
    service = await answering({})
    await failure(await make_provider(service.base_url), provider_request())
    assert f"; stills/{version('stills')};" in service.requests[0].headers["user-agent"]


async def test_unset_fields_are_not_sent(provider, sandbox, provider_request):
    """Without a negative prompt, the parameter is missing."""
    await provider.send(provider_request(prompt_extend=False), timeout_seconds=PATIENCE)
    (send,) = sandbox.ledger.sends
    absent = {"negative_prompt", "prompt_extend_mode", "enable_thinking"}
    assert not absent & send.parameters.keys()
    assert send.parameters["prompt_extend"] is False


async def test_version_3_is_told_how_to_rewrite_the_prompt(provider, sandbox, provider_request):
    """The mode and the switch arrive, also when it is off."""
    sent = provider_request(
        model="qwen-image-3.0",
        size=Size(1024, 1024),
        prompt_extend_mode="agent",
        enable_thinking=False,
    )
    await provider.send(sent, timeout_seconds=PATIENCE)
    (send,) = sandbox.ledger.sends
    assert send.parameters["prompt_extend_mode"] == "agent"
    assert send.parameters["enable_thinking"] is False


@pytest.mark.parametrize("kind", FAULTS)
async def test_every_fault_is_one_request_and_one_typed_error(
    provider, sandbox, provider_request, kind
):
    """Class, billing, message and request id are correct, and the SDK doesn't retry."""
    expected, billing, words = FAULTS[kind]
    sandbox.set_faults(Fault(kind, times=None))
    sent = provider_request()
    if expected is InvalidReference:
        sent = provider_request(model="qwen-image-2.0", reference_urls=(REFERENCE_URL,))
    error = await failure(provider, sent)
    (send,) = sandbox.ledger.sends
    assert (type(error), error.billing) == (expected, billing)
    assert words in error.message
    assert error.request_id == (None if kind in OF_GATEWAYS else send.request_id)


def test_no_fault_of_the_sandbox_is_forgotten():
    """Every fault of a call is in the table above or has its own test."""
    assert set(FAULTS) | {FaultKind.SLOW} == GENERATION_FAULTS


async def test_after_a_fault_the_same_provider_works(provider, sandbox, provider_request):
    """A dropped connection doesn't break the next call."""
    for kind in (FaultKind.DROP_AFTER, FaultKind.GATEWAY_HTML, FaultKind.ERROR_IN_200):
        sandbox.set_faults(Fault(kind))
        await failure(provider, provider_request())
        assert (await provider.send(provider_request(), timeout_seconds=PATIENCE)).image_url


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_retry_after_is_passed_on(provider, sandbox, provider_request, after):
    """The caller gets the service's waiting time."""
    sandbox.set_faults(Fault(FaultKind.THROTTLED, retry_after_seconds=after))
    error = await failure(provider, provider_request())
    assert error.retry_after_seconds == after
    assert error.retryable


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sk-of-another-region", WrongKey),
        ("sk-sandbox-denied", AccessDenied),
        ("sk-sandbox-overdue", AccountOverdue),
    ],
)
async def test_account_problems_differ_from_a_wrong_key(
    make_provider, sandbox, provider_request, key, expected
):
    """401, 403 and an overdue account have different errors; nothing is billed."""
    error = await failure(await make_provider(sandbox.base_url, key=key), provider_request())
    assert (type(error), error.billing) == (expected, Billing.NONE)
    assert len(sandbox.ledger.generations) == 1


async def test_a_rejected_parameter_has_the_services_message(provider, provider_request):
    """An unsupported size shows the service's message."""
    error = await failure(provider, provider_request(size=Size(1024, 1024)))
    assert isinstance(error, RequestRejected)
    assert "InvalidParameter: The size does not match the allowed size" in error.message


async def test_a_late_answer_is_a_timeout_that_may_be_billed(
    provider, sandbox, provider_request, skip_time
):
    """The call ends at its timeout and is not repeated."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=3600.0))
    failing = asyncio.create_task(failure(provider, provider_request()))
    await skip_time(PATIENCE, once=lambda: sandbox.ledger.sends)
    error = await failing
    assert (type(error), error.billing) == (AnswerTimeout, Billing.POSSIBLE)
    assert len(sandbox.ledger.sends) == 1


async def test_a_body_that_stops_in_the_middle_may_be_billed(
    serve, make_provider, provider_request
):
    """Headers without the rest of the body are a lost connection."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"output": ')
        request.transport.abort()
        return response

    service = await serve(handle)
    error = await failure(await make_provider(service.base_url), provider_request())
    assert (type(error), error.billing) == (ConnectionLost, Billing.POSSIBLE)
    assert len(service.requests) == 1


async def test_a_cancelled_send_is_one_request(provider, sandbox, provider_request):
    """Cancelling ends the call and sends nothing more."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=60.0))
    task = asyncio.create_task(provider.send(provider_request(), timeout_seconds=PATIENCE))
    while not sandbox.ledger.sends:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(sandbox.ledger.sends) == 1


async def test_refused_connections_cost_nothing(make_provider, provider_request, unused_tcp_port):
    """There is no listener, so nothing was sent."""
    provider = await make_provider(f"http://127.0.0.1:{unused_tcp_port}/api/v1")
    error = await failure(provider, provider_request())
    assert (type(error), error.billing, error.retryable) == (ServiceUnreachable, Billing.NONE, True)


async def test_a_connection_that_is_never_made_costs_nothing(
    make_provider, provider_request, monkeypatch
):
    """Nothing was sent if connecting takes too long, whatever the answer's timeout."""
    monkeypatch.setattr(dashscope, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        queue = [_fill(full) for _ in range(4)]
        provider = await make_provider(f"http://127.0.0.1:{full.getsockname()[1]}/api/v1")
        error = await failure(provider, provider_request())
        for waiting in queue:
            waiting.close()
    assert (type(error), error.billing) == (ServiceUnreachable, Billing.NONE)


def _fill(full: socket.socket) -> socket.socket:
    waiting = socket.socket()
    waiting.setblocking(False)
    waiting.connect_ex(full.getsockname())
    return waiting


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_gets_neither_prompt_nor_key(
    serve, answering, make_provider, provider_request, status
):
    """It is not followed, and the error suggests to check the base URL."""
    elsewhere = await answering({})

    async def redirect(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers={"Location": elsewhere.origin + request.path})

    service = await serve(redirect)
    error = await failure(await make_provider(service.base_url), provider_request())
    assert (type(error), error.billing) == (UnexpectedAnswer, Billing.NONE)
    assert str(status) in error.message
    assert len(service.requests) == 1
    assert elsewhere.requests == []


async def test_the_proxy_of_the_environment_is_used_and_netrc_is_not(
    answering, make_provider, provider_request, monkeypatch, tmp_path, key
):
    """A default entry in ~/.netrc must not replace the key."""
    proxy = await answering({"code": "InvalidApiKey", "message": "no"}, status=401)
    (tmp_path / "netrc").write_text("default login somebody password theirs\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", proxy.origin.removeprefix("http://"))
    monkeypatch.delenv("no_proxy", raising=False)
    provider = await make_provider("http://dashscope.invalid/api/v1")
    assert isinstance(await failure(provider, provider_request()), WrongKey)
    with pytest.raises(StillsError):
        await provider.download("http://oss.invalid/a.png", timeout_seconds=PATIENCE)
    sent, downloaded = proxy.requests
    assert sent.headers["Authorization"] == f"Bearer {key}"
    assert "Authorization" not in downloaded.headers


def every_client_error() -> list[type[Exception]]:
    found, new = [], [aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError, ValueError]
    while new:
        kind = new.pop()
        if kind not in found and kind.__module__.split(".")[0] in {"aiohttp", "ssl", "builtins"}:
            found.append(kind)
            new.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize("kind", every_client_error(), ids=lambda kind: kind.__name__)
def test_every_network_error_is_translated(kind):
    """Each is a StillsError with its cause; only connection errors are free."""
    raised = kind.__new__(kind)
    if issubclass(kind, aiohttp.ClientConnectorError):  # these name the host
        raised._conn_key = SimpleNamespace(host="service.example")  # noqa: SLF001 - aiohttp's
        raised._certificate_error = ssl.SSLError()  # noqa: SLF001
    if issubclass(kind, aiohttp.ClientResponseError):
        raised.status = 407
    error = dashscope.translate(raised, Proxy("http://proxy.example", "http://proxy.example"))
    connecting = issubclass(
        kind,
        aiohttp.ClientConnectorError
        | aiohttp.ConnectionTimeoutError
        | aiohttp.ClientHttpProxyError,
    )
    assert isinstance(error, StillsError)
    assert isinstance(error, ServiceUnreachable) is connecting
    assert error.billing is (Billing.NONE if connecting else Billing.POSSIBLE)
    assert ("A retry sends another call" in error.action) is not connecting
