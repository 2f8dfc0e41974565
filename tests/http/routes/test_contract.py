"""The contract over HTTP: JSON, stages as they are reached, callers who hang up."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Stills
from stills.http.settings import Settings
from stills.sandbox import Fault, FaultKind, Sandbox

Serve = Callable[..., Awaitable[str]]

KITE = {"prompt": "a red kite", "size": "512*512", "seed": 7}


async def test_the_contract_s_fields_come_back_and_the_link_opens(
    url: str, http: aiohttp.ClientSession
):
    """One request in, one kept image out, at an address of the service's own."""
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        result = await answer.json()
    assert (result["width"], result["height"], result["seed"]) == (512, 512, 7)
    async with http.get(result["image_url"]) as image:
        assert (await image.read())[:4] == b"\x89PNG"


async def test_asked_again_it_comes_from_the_catalog(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A second caller pays nothing."""
    for cached in (False, True):
        async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
            assert (await answer.json())["cached"] is cached
    assert sandbox.ledger.billed_images == 1


async def test_many_at_once_pay_once(url: str, http: aiohttp.ClientSession, sandbox: Sandbox):
    """A burst of the same request is one generation."""

    async def ask() -> str:
        async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
            return (await answer.json())["id"]

    assert len(set(await asyncio.gather(*(ask() for _ in range(32))))) == 1
    assert sandbox.ledger.billed_images == 1


async def events(answer: aiohttp.ClientResponse) -> list[tuple[str, dict[str, object]]]:
    written = (await answer.text()).split("\n\n")
    lines = [event.splitlines() for event in written if event and not event.startswith(":")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in lines
    ]


async def test_a_stream_tells_each_stage_and_then_the_result(url: str, http: aiohttp.ClientSession):
    """A caller can show how far the image has come."""
    headers = {"Accept": "text/event-stream"}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        told = await events(answer)
    assert [data.get("stage") for name, data in told if name == "stage"] == [
        "queued", "sent", "answered", "kept",
    ]  # fmt: skip
    assert told[0][1]["position"] == 1
    assert told[-1][0] == "result"
    assert told[-1][1]["seed"] == 7


async def test_a_stream_ends_with_the_error(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A refusal comes as an event, in the shape of every other error."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None))
    headers = {"Accept": "text/event-stream"}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        told = await events(answer)
    assert told[-1][0] == "error"
    assert told[-1][1]["error"]["code"] == "content_refused"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/json, text/event-stream", "application/json"),
        ("application/json;q=0.5, text/event-stream", "text/event-stream"),
        ("text/event-stream;q=0", "application/json"),
        ("TEXT/EVENT-STREAM", "text/event-stream"),
        ("text/event-stream; q=much", "application/json"),
        ("text/event-stream; q=nan", "application/json"),
        ("application/json; q=, text/event-stream", "text/event-stream"),
    ],
)
async def test_events_come_to_those_who_prefer_them(
    url: str, http: aiohttp.ClientSession, accept: str, media_type: str
):
    """An error in a stream comes with status 200, which nobody else would notice."""
    headers = {"Accept": accept}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, media_type)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_caller_who_hangs_up_leaves_a_kept_image(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, accept: str
):
    """What was sent is finished and kept, though nobody waits for it."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=0.5))
    headers = {"Accept": accept}
    asking = asyncio.create_task(
        http.post(f"{url}/v1/image.generate", json=KITE, headers=headers).__aenter__()
    )
    async with asyncio.timeout(20):
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        while True:
            async with http.get(f"{url}/v1/images") as listed:
                if (await listed.json())["data"]:
                    break
            await asyncio.sleep(0.02)
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b"[" * 100_000, 400), (b'{"a":' * 50 + b"1" + b"}" * 50, 400),
        (b'{"prompt": "a"}', 400), (b'{"prompt": "a", "size": "1*1"}', 400),
        (b'{"prompt": "a", "size": "512*512", "fresh": true}', 400),
        (b'{"prompt": "a", "size": "512*512", "prompt": "b"}', 400),
        (b'{"prompt": "a", "size": "512*512", "seed": ' + b"1" * 5000 + b"}", 400),
        (b'{"prompt": "a", "size": "512*512", "model": "qwen-image-max-2025-12-30"}', 400),
        (b'{"prompt": "a", "size": "512*512", "reference_image": "file:///etc/passwd"}', 400),
    ],
)  # fmt: skip
async def test_a_bad_body_is_a_400_and_sends_nothing(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, body: bytes, status: int
):
    """Any unreadable body is reported."""
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{url}/v1/image.generate", data=body, headers=headers) as answer:
        assert answer.status == status
        assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}
    assert not sandbox.ledger.generations


async def test_a_prompt_over_the_limit_says_by_how_much(url: str, http: aiohttp.ClientSession):
    """The service would cut it in silence."""
    body = KITE | {"prompt": "a" * 801}
    async with http.post(f"{url}/v1/image.generate", json=body) as answer:
        assert answer.status == 400
        assert "801" in (await answer.json())["error"]["message"]


async def test_a_reference_that_is_no_image_says_what_can_be_given_over_http(
    url: str, http: aiohttp.ClientSession
):
    """A path is of no use to a caller of another machine."""
    body = KITE | {"model": "qwen-image-2.0", "reference_image": "data:image/png;base64,aGVsbG8="}
    async with http.post(f"{url}/v1/image.generate", json=body) as answer:
        assert answer.status == 400
        message = (await answer.json())["error"]["message"]
    assert "data URL of a PNG" in message
    assert "path" not in message


async def test_a_stream_sends_comments_while_nothing_happens(
    serve: Serve, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A proxy closes a connection that is silent for long; a client skips comments."""
    url = await serve(keep_alive_seconds=0.05)
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=1.0))
    headers = {"Accept": "text/event-stream"}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        written = await answer.text()
    lines = written.splitlines()
    sent = lines.index('data: {"stage": "sent"}')
    answered = lines.index('data: {"stage": "answered"}')
    assert [line for line in lines[sent:answered] if line.startswith(":")]
    assert "event: result" in lines[answered:]


async def test_a_reader_of_events_who_waits_gets_the_result_of_a_service_that_stops(
    make_stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A deployment costs no caller the answer."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=1.0))

    async def ask(url: str) -> list[tuple[str, dict[str, object]]]:
        headers = {"Accept": "text/event-stream"}
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
            return await events(answer)

    async with serving(await make_stills(), Settings(model="qwen-image-max")) as url:
        asking = asyncio.create_task(ask(url))
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.01)
    name, result = (await asking)[-1]
    assert (name, result["seed"]) == ("result", 7)


async def test_a_service_that_stops_keeps_what_a_reader_of_events_left_behind(
    make_stills, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Nobody waits for the image any more, and it is paid for."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=1.0))
    async with serving(await make_stills(), Settings(model="qwen-image-max")) as url:
        headers = {"Accept": "text/event-stream"}
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
            while not sandbox.ledger.generations:
                await asyncio.sleep(0.01)
            answer.close()
    assert len(await stills.images.list()) == 1
    assert sandbox.ledger.billed_images == 1
