"""What happens before a route: keys, origins, body limits, the log."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from tests.support.running_service import json_logs

from stills.app import Stills
from stills.contract.rate_limit import RateLimit
from stills.contract.request import ImageRequest
from stills.sandbox import Fault, FaultKind, Sandbox

Serve = Callable[..., Awaitable[str]]
KITE = {"prompt": "a red kite", "size": "512*512"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_once_a_key_exists_requests_need_one(
    url: str, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Every route except health and images requires it."""
    key = await stills.keys.add("pipeline")
    for headers in (
        {},
        bearer("stills_0123456789ab_" + "a" * 43),
        {"Authorization": key},
        {"Authorization": f"Basic {key}"},
        {"Authorization": f"ApiKey {key}"},
    ):
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["code"] == "key_refused"
    assert not sandbox.ledger.generations
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=bearer(key)) as answer:
        result = await answer.json()
    async with http.get(result["image_url"]) as image, http.get(f"{url}/healthz") as health:
        assert (image.status, health.status) == (200, 200)


async def test_a_revoked_key_is_soon_refused(url: str, stills: Stills, http: aiohttp.ClientSession):
    """Also by a worker that has just accepted it."""
    key = await stills.keys.add("pipeline")
    async with http.get(f"{url}/v1/models", headers=bearer(key)) as answer:
        assert answer.status == 200
    await stills.keys.revoke("pipeline")
    status = 200
    async with asyncio.timeout(60):
        while status == 200:
            async with http.get(f"{url}/v1/models", headers=bearer(key)) as answer:
                status = answer.status
    assert status == 401


async def test_a_key_over_its_rate_gets_a_time_to_retry(
    url: str, stills: Stills, http: aiohttp.ClientSession
):
    """It may use a minute's worth at once; then it gets 429 with Retry-After."""
    key = await stills.keys.add("pipeline", limit=RateLimit(2 / 60))
    statuses = []
    for _ in range(3):
        async with http.get(f"{url}/v1/models", headers=bearer(key)) as answer:
            statuses.append(answer.status)
            wait = answer.headers.get("Retry-After")
    assert statuses == [200, 200, 429]
    assert 1 <= int(wait) <= 30


async def test_a_key_over_its_budget_gets_only_stored_images(
    url: str, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Its daily budget limits its own API calls, not those of other keys."""
    key = await stills.keys.add("small", day_usd=0.1)
    other = await stills.keys.add("other")
    statuses = []
    for prompt, shown in (("a", key), ("b", key), ("a", key), ("b", other)):
        body = KITE | {"prompt": prompt}
        async with http.post(
            f"{url}/v1/image.generate", json=body, headers=bearer(shown)
        ) as answer:
            statuses.append(answer.status)
            if answer.status == 429:
                assert (await answer.json())["error"]["code"] == "budget_exceeded"
                assert int(answer.headers["Retry-After"]) > 0
    assert statuses == [200, 429, 200, 200]
    assert sandbox.ledger.billed_images == 2


async def test_a_key_with_a_budget_gets_no_image_of_unknown_price(
    url: str, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """It could not be counted; a key without a budget gets one."""
    body = KITE | {"model": "qwen-image-2.1-turbo"}
    answers = []
    for key in (await stills.keys.add("small", day_usd=9.0), await stills.keys.add("other")):
        async with http.post(f"{url}/v1/image.generate", json=body, headers=bearer(key)) as answer:
            answers.append((answer.status, (await answer.json()).get("error", {}).get("code")))
    assert answers == [(429, "budget_exceeded"), (200, None)]
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example//localhost"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "evil.example//localhost"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X-Real-IP": "127.0.0.1"},
    ],
)
async def test_a_web_page_can_t_spend_on_a_service_without_keys(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, headers: dict[str, str]
):
    """A local browser sends requests for any page, and a proxy for strangers."""
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        assert answer.status == 403
    assert not sandbox.ledger.generations


async def test_only_the_service_s_own_pages_may_call_it_without_keys(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A page of another port, scheme or name of this machine belongs to another program."""
    port = url.rpartition(":")[2]
    other = int(port) - 1
    statuses = {}
    for origin in (
        url, f"http://127.0.0.1:{other}", f"https://127.0.0.1:{port}", f"http://localhost:{port}",
        "http://127.0.0.1", "http://localhost:3000",
    ):  # fmt: skip
        async with http.post(
            f"{url}/v1/image.generate", json=KITE, headers={"Origin": origin}
        ) as answer:
            statuses[origin] = answer.status
    assert [origin for origin, status in statuses.items() if status == 200] == [url]
    assert set(statuses.values()) == {200, 403}
    assert sandbox.ledger.billed_images == 1


async def test_a_page_of_a_listed_origin_may_call_the_service(
    serve: Serve, http: aiohttp.ClientSession
):
    """Preflight requests are answered, for MCP too, and the page can read errors and images."""
    url = await serve(cors_origins=("https://app.example",), keys_required=True)
    page = {"Origin": "https://app.example"}
    ask = {"Access-Control-Request-Method": "POST"}
    wanted = {"Access-Control-Request-Headers": "authorization,content-type,x-stainless-os"}
    for path in ("/v1/images/generations", "/mcp"):
        async with http.options(f"{url}{path}", headers=page | ask | wanted) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
            assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    for path, status in (("/v1/models", 401), ("/images/none.png", 404), ("/healthz", 200)):
        async with http.get(f"{url}{path}", headers=page) as answer:
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
            assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    async with http.options(f"{url}/mcp", headers={"Origin": "https://b.example"} | ask) as answer:
        assert answer.status == 400
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_an_image_opens_under_another_host_name_once_a_key_exists(
    stills: Stills, serve: Serve, http: aiohttp.ClientSession
):
    """A proxy may use another name, and this may be the worker's first request."""
    result = await stills.generate(ImageRequest(prompt="a kite", size="512*512"))
    foreign = {"Host": "images.example"}
    async with http.get(f"{await serve()}/images/{result.id}.png", headers=foreign) as answer:
        assert answer.status == 403
    await stills.keys.add("pipeline")
    async with http.get(f"{await serve()}/images/{result.id}.png", headers=foreign) as answer:
        assert answer.status == 200


async def test_a_body_must_be_declared_as_json(url: str, http: aiohttp.ClientSession):
    """A page could send text/plain to any host without a preflight request."""
    async with http.post(f"{url}/v1/image.generate", data=json.dumps(KITE)) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_20_mb_is_refused(url: str, http: aiohttp.ClientSession, chunked: bool):
    """With or without its length, it is not read to its end."""

    async def pieces():
        for _ in range(21):
            yield b" " * 1024 * 1024

    data = pieces() if chunked else io.BytesIO(b" " * (21 * 1024 * 1024))
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{url}/v1/image.generate", data=data, headers=headers) as answer:
        assert answer.status == 413


async def test_an_error_shows_no_key_and_no_path(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, tmp_path
):
    """A client learns nothing about this machine."""
    sandbox.set_faults(Fault(FaultKind.GATEWAY_HTML, times=None))
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        assert answer.status in (502, 503)
        assert "sk-" not in await answer.text()
    sandbox.set_faults()
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "stills.db").write_bytes(b"not a database" * 1000)
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        assert str(tmp_path) not in await answer.text()


async def test_one_line_is_logged_for_each_request(
    url: str, stills: Stills, http: aiohttp.ClientSession, capfd
):
    """It has the key's name, the model and the cost, but never the key or the prompt."""
    with json_logs():
        key = await stills.keys.add("pipeline")
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=bearer(key)) as answer:
            request_id = answer.headers["X-Request-ID"]
        async with http.get(f"{url}/%0afake%1b[31m", headers=bearer(key)):
            pass
    written = capfd.readouterr().err
    lines = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 2
    assert lines[0].items() >= {
        "id": request_id, "key": "pipeline", "model": "qwen-image-max", "cached": False,
        "cost_usd": 0.075, "status": 200,
    }.items()  # fmt: skip
    assert key not in written
    assert "red kite" not in written


async def test_the_log_shows_errors_and_repeated_answers(
    url: str, sandbox: Sandbox, http: aiohttp.ClientSession, capfd
):
    """It has the code of an error, and no cost if an earlier answer is repeated."""
    with json_logs():
        sandbox.set_faults(Fault(FaultKind.UNAVAILABLE, times=None))
        for headers in ({}, {"Accept": "text/event-stream"}):
            async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
                await answer.read()
        sandbox.set_faults()
        for _ in range(2):
            again = {"Idempotency-Key": "one"}
            async with http.post(f"{url}/v1/image.generate", json=KITE, headers=again) as answer:
                assert answer.status == 200
    failed, streamed, paid, repeated = map(json.loads, capfd.readouterr().err.splitlines())
    assert failed["error"] == streamed["error"] == "service_unavailable"
    assert (paid["cached"], paid["cost_usd"]) == (False, 0.075)
    assert (repeated["cached"], repeated["cost_usd"]) == (True, 0.0)


async def test_the_log_shows_that_a_client_left_a_stream(
    url: str, sandbox: Sandbox, http: aiohttp.ClientSession, capfd
):
    """It has the model, and the cost is still counted once it is known."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    with json_logs():
        events = {"Accept": "text/event-stream"}
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=events):
            while not sandbox.ledger.generations:
                await asyncio.sleep(0.01)
        written = ""
        async with asyncio.timeout(20):
            while "caller_left" not in written:
                await asyncio.sleep(0.05)
                written += capfd.readouterr().err
            counted = ""
            while 'stills_billed_usd_total{model="qwen-image-max"} 0.075' not in counted:
                await asyncio.sleep(0.05)
                async with http.get(f"{url}/metrics") as metrics:
                    counted = await metrics.text()
    left = json.loads(written.splitlines()[0])
    assert (left["error"], left["model"]) == ("caller_left", "qwen-image-max")


async def test_head_is_answered_like_get_without_the_body(url: str, http: aiohttp.ClientSession):
    """Monitors use HEAD; where GET is not allowed, neither is HEAD."""
    for path, status in (("/healthz", 200), ("/v1/models", 200), ("/v1/image.generate", 405)):
        async with http.head(f"{url}{path}") as head, http.get(f"{url}{path}") as whole:
            assert head.status == whole.status == status
            assert await head.read() == b""
            assert head.headers["Content-Length"] == whole.headers["Content-Length"]


async def test_an_unknown_path_is_a_404_in_the_same_format(url: str, http: aiohttp.ClientSession):
    """All error answers have the same format."""
    async with http.get(f"{url}/v1/nothing") as nothing, http.delete(f"{url}/v1/models") as wrong:
        assert (nothing.status, wrong.status) == (404, 405)
        assert (await nothing.json())["error"]["code"] == "not_found"
        assert (await wrong.json())["error"]["message"]
