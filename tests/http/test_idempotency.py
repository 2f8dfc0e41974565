"""Idempotency-Key: one key, one answer."""

import asyncio
import json
from collections.abc import Callable
from time import time

import aiohttp
import openai
import pytest
import pyvips
from tests.support.running_service import json_logs

from stills.http import idempotency
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = {"prompt": "a red kite", "size": "512x512"}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Set the clock of the service an hour ahead."""
    return lambda: monkeypatch.setattr(idempotency, "time", lambda: time() + 3600)


async def ask(
    http: aiohttp.ClientSession, url: str, body: dict[str, object], key: str = "one"
) -> tuple[int, dict[str, object]]:
    headers = {"Idempotency-Key": key}
    async with http.post(f"{url}/v1/images/generations", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_same_key_and_body_get_the_first_answer(
    url: str, http: aiohttp.ClientSession, later: Callable[[], None]
):
    """The time of creation is the same too."""
    first = await ask(http, url, KITE)
    later()
    assert await ask(http, url, KITE) == first


async def test_another_worker_returns_the_first_answer_too(
    serve, http: aiohttp.ClientSession, later: Callable[[], None]
):
    """Keys are stored in the catalog, so they outlive a process."""
    one, other = await serve(), await serve()
    first = await ask(http, one, KITE | {"response_format": "b64_json"})
    later()
    assert await ask(http, other, KITE | {"response_format": "b64_json"}) == first


async def test_the_same_key_with_another_body_is_a_conflict(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """A key that is used twice by mistake must not give the wrong image."""
    await ask(http, url, KITE)
    again = KITE | {"size": "640x640", "prompt": "a blue kite"}
    status, body = await ask(http, url, again)
    assert status == 409
    assert body["error"]["param"] == "Idempotency-Key"
    async with openai.AsyncOpenAI(
        api_key="any", base_url=url
    ) as client:  # retries twice if the response allows it
        with pytest.raises(openai.ConflictError) as refused:
            await client.images.generate(**again, extra_headers={"Idempotency-Key": "one"})
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert sandbox.ledger.billed_images == 1


async def test_after_an_error_the_same_key_tries_again(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox
):
    """Only images are remembered."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED))
    assert (await ask(http, url, KITE))[0] == 400
    assert (await ask(http, url, KITE))[0] == 200


async def test_concurrent_requests_to_two_workers_get_one_answer(
    serve, http: aiohttp.ClientSession
):
    """The second worker returns the answer of the first."""
    urls = [await serve(), await serve()]
    body = KITE | {"response_format": "b64_json"}
    answers = await asyncio.gather(*(ask(http, urls[turn % 2], body) for turn in range(8)))
    assert all(answer == answers[0] for answer in answers)


async def test_the_log_counts_the_cost_of_concurrent_requests_once(
    url: str, http: aiohttp.ClientSession, capfd
):
    """However many lines there are for one image, their costs add up to its price."""
    with json_logs():
        await asyncio.gather(*(ask(http, url, KITE) for _ in range(5)))
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert sorted(line["cost_usd"] for line in lines) == [0.0, 0.0, 0.0, 0.0, 0.075]
    assert [line["cached"] for line in lines].count(False) == 1


async def test_an_edit_is_recognized_despite_a_new_boundary(url: str, later: Callable[[], None]):
    """No two multipart bodies have the same bytes."""
    png = bytes(pyvips.Image.black(512, 512, bands=3).pngsave_buffer())
    async with openai.AsyncOpenAI(api_key="any", base_url=url) as client:

        async def edit() -> openai.types.ImagesResponse:
            return await client.images.edit(
                image=("a.png", png),
                prompt="at dusk",
                model="qwen-image-2.0",
                extra_headers={"Idempotency-Key": "edit"},
            )

        first = await edit()
        later()
        assert await edit() == first


@pytest.mark.parametrize("key", ["", "a" * 256])
async def test_an_invalid_key_is_refused(url: str, http: aiohttp.ClientSession, key: str):
    """An empty or too long key is reported, and nothing is sent."""
    assert (await ask(http, url, KITE, key))[0] == 400
