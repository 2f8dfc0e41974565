"""The contract over HTTP: JSON, events for stages, clients that leave."""

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


async def test_the_contract_s_fields_are_returned_and_the_url_opens(
    url: str, http: aiohttp.ClientSession
):
    """One request returns one stored image, at a URL of this service."""
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        result = await answer.json()
    assert (result["width"], result["height"], result["seed"]) == (512, 512, 7)
    async with http.get(result["image_url"]) as image:
        assert (await image.read())[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("size", "made"),
    [("16:9", (1360, 768)), ("1K", (1024, 1024)), ("2k 4:3", (2368, 1776)), ("auto", (1664, 928))],
)
async def test_a_size_may_be_a_ratio_a_tier_or_automatic(
    url: str, http: aiohttp.ClientSession, size: str, made: tuple[int, int]
):
    """The answer has the actual width and height."""
    async with http.post(f"{url}/v1/image.generate", json=KITE | {"size": size}) as answer:
        result = await answer.json()
    assert (result["width"], result["height"]) == made


async def test_a_repeated_request_is_answered_from_the_catalog(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """It bills nothing."""
    for cached in (False, True):
        async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
            assert (await answer.json())["cached"] is cached
    assert sandbox.ledger.billed_images == 1


async def test_concurrent_requests_pay_once(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A burst of equal requests is one generation."""

    async def ask() -> str:
        async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
            return (await answer.json())["id"]

    assert len(set(await asyncio.gather(*(ask() for _ in range(32))))) == 1
    assert sandbox.ledger.billed_images == 1


async def test_takes_are_listed_next_to_the_first(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """The contract's fields are those of the first take; asking again is free."""
    for _ in range(2):
        async with http.post(f"{url}/v1/image.generate", json=KITE | {"takes": 3}) as answer:
            result = await answer.json()
        assert [take["seed"] for take in result["takes"]] == [7, 8, 9]
        assert {**result["takes"][0], "takes": result["takes"]} == result
    assert sandbox.ledger.billed_images == 3
    async with http.post(f"{url}/v1/image.generate", json=KITE | {"takes": 0}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "takes"


async def test_events_of_takes_have_their_number(url: str, http: aiohttp.ClientSession):
    """The first take's are those of a request without takes."""
    headers = {"Accept": "text/event-stream"}
    body = KITE | {"takes": 2}
    async with http.post(f"{url}/v1/image.generate", json=body, headers=headers) as answer:
        received = await events(answer)
    stages = [data for name, data in received if name == "stage"]
    assert [data["stage"] for data in stages if data.get("take") == 2][-1] == "kept"
    assert [data["stage"] for data in stages if "take" not in data][-1] == "kept"
    assert len(received[-1][1]["takes"]) == 2


async def events(answer: aiohttp.ClientResponse) -> list[tuple[str, dict[str, object]]]:
    written = (await answer.text()).split("\n\n")
    lines = [event.splitlines() for event in written if event and not event.startswith(":")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in lines
    ]


async def test_a_stream_has_each_stage_and_then_the_result(url: str, http: aiohttp.ClientSession):
    """A client can show the progress."""
    headers = {"Accept": "text/event-stream"}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        received = await events(answer)
    assert [data.get("stage") for name, data in received if name == "stage"] == [
        "queued", "sent", "answered", "kept",
    ]  # fmt: skip
    assert received[0][1]["position"] == 1
    assert received[-1][0] == "result"
    assert received[-1][1]["seed"] == 7


async def test_a_stream_ends_with_the_error(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """An error is an event, in the shape of every other error."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED, times=None))
    headers = {"Accept": "text/event-stream"}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        received = await events(answer)
    assert received[-1][0] == "error"
    assert received[-1][1]["error"]["code"] == "content_refused"


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
async def test_events_are_sent_only_to_clients_that_prefer_them(
    url: str, http: aiohttp.ClientSession, accept: str, media_type: str
):
    """An error in a stream has status 200, which other clients would not notice."""
    headers = {"Accept": accept}
    async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, media_type)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_the_image_of_a_client_that_leaves_is_stored(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, accept: str
):
    """It was paid for, so it is finished."""
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
        (b'{"prompt": "a", "size": "512*512", "fresh": "yes"}', 400),
        (b'{"prompt": "a", "size": "512*512", "prompt": "b"}', 400),
        (b'{"prompt": "a", "size": "512*512", "seed": ' + b"1" * 5000 + b"}", 400),
        (b'{"prompt": "a", "size": "512*512", "model": "qwen-image-max-2025-12-30"}', 400),
        (b'{"prompt": "a", "size": "512*512", "reference_image": "file:///etc/passwd"}', 400),
    ],
)  # fmt: skip
async def test_an_invalid_body_is_a_400_and_sends_nothing(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, body: bytes, status: int
):
    """Any unreadable body is reported."""
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{url}/v1/image.generate", data=body, headers=headers) as answer:
        assert answer.status == status
        assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}
    assert not sandbox.ledger.generations


async def test_a_prompt_over_the_limit_is_refused_with_its_length(
    url: str, http: aiohttp.ClientSession
):
    """The provider would cut it silently."""
    body = KITE | {"prompt": "kite " * 900}
    async with http.post(f"{url}/v1/image.generate", json=body) as answer:
        assert answer.status == 400
        assert "over qwen-image-max's limit of 800" in (await answer.json())["error"]["message"]


async def test_an_invalid_reference_names_the_forms_that_http_accepts(
    url: str, http: aiohttp.ClientSession
):
    """A path does not help a client on another machine."""
    body = KITE | {"model": "qwen-image-2.0", "reference_image": "data:image/png;base64,aGVsbG8="}
    async with http.post(f"{url}/v1/image.generate", json=body) as answer:
        assert answer.status == 400
        message = (await answer.json())["error"]["message"]
    assert "data URL of a PNG" in message
    assert "path" not in message


async def test_a_stored_image_is_a_reference_by_each_of_its_addresses(
    serve: Serve, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A stranger may use what the service shows anyway; an unknown id is an error."""
    url = await serve(public_url="https://stills.example.com")
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        portrait = await answer.json()
    assert portrait["image_url"] == f"https://stills.example.com/images/{portrait['id']}.png"
    body = {"prompt": "at sea", "size": "512*512", "model": "qwen-image-2.0"}
    ids = set()
    for address in (
        portrait["id"],
        f"stills://images/{portrait['id']}",
        portrait["image_url"],
        f"{portrait['image_url']}?download=1",
        f"{url}/images/{portrait['id']}.png",
    ):
        shot = {**body, "reference_image": address}
        async with http.post(f"{url}/v1/image.generate", json=shot) as answer:
            ids.add((await answer.json())["id"])
    assert len(ids) == 1
    assert sandbox.ledger.billed_images == 2
    unknown = {**body, "reference_image": portrait["image_url"].replace(portrait["id"][:4], "0000")}
    async with http.post(f"{url}/v1/image.generate", json=unknown) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["code"] == "invalid_reference"
    assert "no stored image has the id '0000" in error["message"]
    assert "Use the id of a stored image" in error["message"]


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


async def test_a_service_that_stops_still_sends_the_result_in_a_stream(
    make_stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A client that waits gets its image despite a deployment."""
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


async def test_a_service_that_stops_stores_an_image_whose_client_left(
    make_stills, stills: Stills, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """The image was paid for."""
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=1.0))
    async with serving(await make_stills(), Settings(model="qwen-image-max")) as url:
        headers = {"Accept": "text/event-stream"}
        async with http.post(f"{url}/v1/image.generate", json=KITE, headers=headers) as answer:
            while not sandbox.ledger.generations:
                await asyncio.sleep(0.01)
            answer.close()
    assert len(await stills.images.list()) == 1
    assert sandbox.ledger.billed_images == 1
