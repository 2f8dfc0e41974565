"""Webhooks to strangers' addresses: which are reached, and whose certificates are trusted."""

import ssl

import pytest
from aiohttp import web
from tests.web.conftest import Roads

from stills.contract.addresses import is_public_address
from stills.web import GuardedResolver
from stills.web.webhook_sender import PrivateAddress, PublicWebhookSender

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def sender(internet, certificate):
    """A sender that reaches the simulated internet through its guard."""
    guard = GuardedResolver(internet.names, is_public_address, PrivateAddress)
    return PublicWebhookSender(
        resolver=Roads(guard, internet.roads.port),
        ssl_context=ssl.create_default_context(cafile=certificate[0]),
    )


async def test_a_receiver_whose_certificate_is_trusted_here_gets_the_webhook(internet, sender):
    """A company's own CA counts for webhooks as it does for everything else."""

    async def accept(request: web.Request) -> web.Response:
        return web.Response(status=200 if await request.read() == b"{}" else 400)

    internet.pages["/hook"] = accept
    assert await sender.send("https://images.example/hook", HEADERS, b"{}") is None


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.215.14", "::1"], ["64:ff9b::a00:1"]])
async def test_a_name_of_a_private_address_gets_nothing(
    internet, sender, monkeypatch, proxy, addresses
):
    """Nor is a proxy asked for it."""
    if proxy:
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    internet.names.answers["inside.example"] = [addresses]
    problem = await sender.send("https://inside.example/hook", HEADERS, b"{}")
    assert problem == "the address is private"
    assert not internet.requests


async def test_a_redirect_is_not_followed(internet, sender):
    """It could lead inside."""
    internet.redirect("/hook", "https://images.example/other")
    problem = await sender.send("https://images.example/hook", HEADERS, b"{}")
    assert problem == "the receiver answered 302"
    assert len(internet.requests) == 1
