"""Webhooks: what a receiver gets, in which order of attempts, and who never gets one."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from stills.contract.access import BudgetOwner
from stills.contract.errors import InvalidRequest
from stills.contract.jobs import JobShot
from stills.contract.request import ImageRequest
from stills.contract.webhooks import WebhookSettings
from stills.service.webhooks import WebhookDelivery
from stills.web.webhook_sender import PublicWebhookSender

SETTINGS = WebhookSettings("a secret of more than 24 characters", allows_private=True)
SHOT = JobShot(id="1", request=ImageRequest(prompt="a kite", size="128*128"))


class Receiver:
    """Keeps what it receives; answers with `statuses` in turn, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.received.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        headers = {"Location": "/hook"} if status == 302 else {}
        return web.Response(status=status, headers=headers)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver on this machine, and its URL."""
    found = Receiver()
    app = web.Application()
    app.router.add_post("/hook", found.answer)
    async with TestServer(app) as server:
        yield found, str(server.make_url("/hook"))


@asynccontextmanager
async def ended_job(stills, url, owner=None):
    """Submit a job and cancel it, which is an end."""
    job = await stills.jobs.submit([SHOT], model="qwen-image-max", owner=owner, notify_url=url)
    yield await stills.jobs.cancel(job.id)


def delivery(stills, settings=SETTINGS):
    sender = PublicWebhookSender(allows_private=settings.allows_private)
    return WebhookDelivery(stills, settings, sender)


async def test_the_end_of_a_job_is_reported_and_signed(stills, receiver):
    """A library of Standard Webhooks verifies it with the owner's secret, and with no other."""
    found, url = receiver
    async with ended_job(stills, url, BudgetOwner("film", None)) as job:
        assert await delivery(stills).deliver_due() == 1
    ((headers, body),) = found.received
    report = Verifier(SETTINGS.secret_of("film")).verify(body, headers)
    assert report["type"] == "job.cancelled"
    assert report["data"]["id"] == job.id
    assert report["data"]["counts"]["total"] == 1
    assert headers["User-Agent"] == f"stills/{version('stills')}"
    for secret in (SETTINGS.secret_of("other"), SETTINGS.secret_of(None)):
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(body, headers)


async def test_a_delivered_webhook_is_not_sent_again(stills, receiver):
    """Neither by the same worker nor by another."""
    found, url = receiver
    async with ended_job(stills, url):
        assert [await delivery(stills).deliver_due() for _ in range(3)] == [1, 0, 0]
    assert len(found.received) == 1
    (webhook,) = await stills.jobs.list_webhooks()
    assert webhook.delivered_at
    assert not await stills.jobs.list_webhooks(only_failed=True)


async def test_a_failed_webhook_is_repeated_with_the_same_id(stills, receiver, make_due):
    """Server errors and redirects are failures; the list of failed ones says what happened."""
    found, url = receiver
    found.statuses = [500, 302]
    async with ended_job(stills, url):
        await delivery(stills).deliver_due()
        (failed,) = await stills.jobs.list_webhooks(only_failed=True)
        assert failed.problem == "the receiver answered 500"
        assert failed.next_at > failed.ended_at
        for _ in range(2):
            await make_due()
            await delivery(stills).deliver_due()
    assert len(found.received) == 3
    assert len({headers["webhook-id"] for headers, _ in found.received}) == 1
    assert not await stills.jobs.list_webhooks(only_failed=True)


async def test_a_webhook_is_given_up_after_a_day(stills, receiver, make_due):
    """It stays in the list of failed ones, and is not sent any more."""
    found, url = receiver
    found.statuses = [500] * 9
    async with ended_job(stills, url):
        await delivery(stills).deliver_due()
        await make_due(hours_later=24)
        await delivery(stills).deliver_due()
        await make_due()
        assert await delivery(stills).deliver_due() == 0
    (webhook,) = await stills.jobs.list_webhooks(only_failed=True)
    assert webhook.gave_up_at
    assert webhook.attempts == 2


async def test_a_private_address_gets_no_webhook(stills, receiver):
    """Also if it was stored when private addresses were allowed."""
    found, url = receiver
    async with ended_job(stills, url):
        await delivery(stills, replace(SETTINGS, allows_private=False)).deliver_due()
    assert not found.received
    (webhook,) = await stills.jobs.list_webhooks(only_failed=True)
    assert webhook.problem == "the address is private"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://example.com:8443/", "https://127.0.0.1/",
        "https://169.254.169.254/", "https://[::1]/", "https://user:password@example.com/",
        "https://localhost/", "ftp://example.com/", "example.com", "", "https://exa mple.com/\n",
    ],
)  # fmt: skip
def test_a_url_that_may_be_private_is_refused_at_submission(url):
    """The error names the field, and not what is behind the address."""
    with pytest.raises(InvalidRequest) as caught:
        replace(SETTINGS, allows_private=False).check_url(url)
    assert caught.value.field == "webhook_url"


def test_a_public_url_is_accepted():
    """https with the default port."""
    replace(SETTINGS, allows_private=False).check_url("https://hooks.example.com/a?b=c")


def test_without_a_secret_there_are_no_webhooks():
    """The error says what the operator has to set."""
    with pytest.raises(InvalidRequest, match="not set up here"):
        WebhookSettings().check_url("https://hooks.example.com/")


def test_the_secret_is_in_no_representation():
    """It could forge every webhook."""
    assert "characters" not in repr(SETTINGS)
    assert json.dumps(SETTINGS.secret_of("film")).startswith('"whsec_')


@pytest.fixture
def make_due(tmp_path):
    """Let time pass in the database of jobs: all webhooks are due, and ended earlier."""

    async def change(*, hours_later: float = 0.0) -> None:
        with sqlite3.connect(tmp_path / "jobs.db") as database:
            database.execute(
                "UPDATE webhooks SET next_at = 0, ended_at = ended_at - ?", (hours_later * 3600,)
            )
        database.close()

    return change
