"""Reading the service's list of models."""

import json

import pytest
from aiohttp import web
from tests.support.service_answers import KEY

from stills.contract.errors import Billing, StillsError, UnexpectedAnswer, WrongKey
from stills.provider.answers import Exchange
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.provider.model_list import PAGES_MAX, read_model_page
from stills.sandbox import Sandbox


def read(body: object, status: int = 200):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_model_page(Exchange(status, {}, raw), key=KEY)


def test_ids_and_their_number_are_read():
    """What is not an id is left out."""
    models = [{"model": "a"}, {"model": 3}, {"model": "b\n"}, {"name": "c"}, "d", {"model": "e"}]
    page = read({"output": {"total": 200, "models": models}})
    assert (page.ids, page.total) == (("a", "e"), 200)


@pytest.mark.parametrize(
    "body",
    [b"<html>", [], {}, {"output": None}, {"output": {"models": []}}, {"output": {"total": 3}}],
)
def test_anything_else_is_an_unexpected_answer(body: object):
    """Such as a gateway's page; it says nothing about any model."""
    with pytest.raises(UnexpectedAnswer, match="not a list of models") as caught:
        read(body)
    assert caught.value.billing is Billing.NONE


def test_a_refusal_is_the_error_that_it_is_for_other_calls():
    """A wrong key is a wrong key."""
    with pytest.raises(WrongKey):
        read({"code": "InvalidApiKey", "message": "no"}, status=401)


async def test_every_page_is_asked_for(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """The service has more models than fit on one."""
    monkeypatch.setattr("stills.provider.dashscope.PAGE_SIZE", 3)
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), sandbox.base_url))
    served = await provider.list_models(timeout_seconds=20.0)
    await provider.close()
    assert {"qwen-image-max", "qwen-image-3.0-pro"} <= served
    assert len(sandbox.ledger.sends) == -(-len(served) // 3)
    assert sandbox.ledger.billed_images == 0


async def test_a_list_without_an_end_is_not_read_for_ever(aiohttp_server_url):
    """A service that always has another page is asked a limited number of times."""
    asked = []

    async def endless(request: web.Request) -> web.Response:
        asked.append(request.query["page_no"])
        models = [{"model": f"m{len(asked)}"}]
        return web.json_response({"output": {"total": 10**9, "models": models}})

    url = await aiohttp_server_url(endless)
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), url))
    assert len(await provider.list_models(timeout_seconds=20.0)) == PAGES_MAX
    await provider.close()
    assert len(asked) == PAGES_MAX


async def test_no_error_is_reported_as_possibly_billed(aiohttp_server_url):
    """The list is free, also if the connection breaks."""

    async def drop(request: web.Request) -> web.Response:
        request.transport.abort()
        return web.Response()

    url = await aiohttp_server_url(drop)
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), url))
    with pytest.raises(StillsError) as caught:
        await provider.list_models(timeout_seconds=20.0)
    await provider.close()
    assert caught.value.billing is Billing.NONE


@pytest.fixture
async def aiohttp_server_url():
    """Serve any path of a free port with a handler; returns the base URL."""
    runners = []

    async def start(handler) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1"

    yield start
    for runner in runners:
        await runner.cleanup()
