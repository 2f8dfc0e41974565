"""The asynchronous API, as the real SDK uses it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from dashscope.aigc.image_generation import AioImageGeneration
from dashscope.client.base_api import BaseAsyncAioApi

from stills.sandbox import Fault, FaultKind, Sandbox, SandboxSettings, SendKind

PATIENCE_SECONDS = 30
CREATION = "/services/aigc/image-generation/generation"


class Client:
    """Creates and queries tasks with the SDK, or without it."""

    def __init__(self, target: Sandbox, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session

    async def create(
        self, text: str = "a red fox", *, key: str = "sk-sandbox", **options: Any
    ) -> Any:
        return await AioImageGeneration.async_call(
            messages=[{"role": "user", "content": [{"text": text}]}],
            base_address=self._target.base_url,
            session=self._session,
            api_key=key,
            **{"model": "qwen-image-3.0", "size": "512*512"} | options,
        )

    async def ask(self, task_id: str, *, key: str = "sk-sandbox") -> Any:
        return await BaseAsyncAioApi.fetch(
            task_id, key, base_address=self._target.base_url, session=self._session
        )

    async def finish(self, task_id: str) -> Any:
        """Ask until the task has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                answer = await self.ask(task_id)
                if answer.output["task_status"] not in {"PENDING", "RUNNING"}:
                    return answer
                await asyncio.sleep(0.01)

    async def post(self, model: str, path: str, **headers: str) -> Any:
        body = {
            "model": model,
            "input": {"messages": [{"role": "user", "content": [{"text": "a red fox"}]}]},
        }
        headers = {"Authorization": "Bearer sk-sandbox", **headers}
        url = self._target.base_url + path
        async with self._session.post(url, json=body, headers=headers) as answer:
            return SimpleNamespace(status=answer.status, body=await answer.json())


@pytest.fixture
def client(sandbox: Sandbox, session: aiohttp.ClientSession) -> Client:
    """A client of the sandbox."""
    return Client(sandbox, session)


async def test_a_task_makes_an_image_that_is_billed_once(client, sandbox, download, urls_of):
    """However often the task is asked for, its image is billed once, with its creation."""
    created = await client.create(seed=9)
    task_id = created.output["task_id"]
    assert created.output["task_status"] == "PENDING"
    assert created.request_id

    answer = await client.finish(task_id)
    again = await client.ask(task_id)

    assert answer.output["task_status"] == "SUCCEEDED"
    assert answer.output["submit_time"] <= answer.output["end_time"]
    assert urls_of(answer) == urls_of(again)
    assert (await download(answer)).body.startswith(b"\x89PNG")
    assert [send.billed for send in sandbox.ledger.generations] == [1]
    assert sandbox.ledger.generations[0].seed == 9
    assert len(sandbox.ledger.of_kind(SendKind.TASK_QUERY)) >= 2


async def test_a_task_waits_then_runs_then_ends(session):
    """PENDING, RUNNING and SUCCEEDED follow each other; nothing is billed before the end."""
    async with Sandbox(SandboxSettings(latency_seconds=0.4)) as slow:
        client = Client(slow, session)
        task_id = (await client.create()).output["task_id"]
        seen = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "SUCCEEDED" not in seen:
                billed = slow.ledger.billed_images
                state = (await client.ask(task_id)).output["task_status"]
                assert billed == 0 or state == "SUCCEEDED"
                seen += [state] if state not in seen else []
                await asyncio.sleep(0.01)

    assert seen == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert slow.ledger.billed_images == 1


async def test_a_task_is_billed_if_nobody_asks(client, sandbox):
    """The service does not wait for its client."""
    await client.create()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not sandbox.ledger.billed_images:
            await asyncio.sleep(0.01)

    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [
        (FaultKind.TASK_FAILED, "FAILED", "InternalError"),
        (FaultKind.TASK_REFUSED, "FAILED", "DataInspectionFailed"),
        (FaultKind.TASK_CANCELED, "CANCELED", None),
    ],
)
async def test_a_task_that_fails_is_not_billed(client, sandbox, kind, state, code):
    """Its code and message are in the output of a 200."""
    sandbox.set_faults(Fault(kind))
    answer = await client.finish((await client.create()).output["task_id"])

    assert (answer.status_code, answer.output["task_status"]) == (200, state)
    assert answer.output.get("code") == code
    assert sandbox.ledger.billed_images == 0
    assert [send.fault for send in sandbox.ledger.generations] == [kind]


async def test_a_lost_task_is_unknown_but_billed(client, sandbox):
    """A client can't tell it from a task that never was."""
    sandbox.set_faults(Fault(FaultKind.TASK_LOST))
    created = await client.create()
    answer = await client.finish(created.output["task_id"])
    never = await client.ask("00000000-0000-4000-8000-000000000000")

    assert answer.output["task_status"] == never.output["task_status"] == "UNKNOWN"
    assert sandbox.ledger.billed_images == 1


async def test_a_task_is_forgotten_after_its_life(session):
    """After 24 hours, here at once, the service answers UNKNOWN."""
    async with Sandbox(SandboxSettings(task_life_seconds=0.0)) as forgetful:
        client = Client(forgetful, session)
        answer = await client.finish((await client.create()).output["task_id"])

    assert answer.output["task_status"] == "UNKNOWN"


async def test_another_key_does_not_see_a_task(client):
    """Each key of the sandbox is an account of its own."""
    task_id = (await client.create()).output["task_id"]
    await client.finish(task_id)

    stranger = await client.ask(task_id, key="sk-sandbox-of-somebody-else")
    refused = await client.ask(task_id, key="sk-real")

    assert stranger.output["task_status"] == "UNKNOWN"
    assert (refused.status_code, refused.code) == (401, "InvalidApiKey")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.TASK_QUERY_UNAVAILABLE, 503, "ServiceUnavailable"),
        (FaultKind.TASK_QUERY_THROTTLED, 429, "Throttling.RateQuota"),
    ],
)
async def test_a_query_can_fail_while_the_task_goes_on(client, sandbox, kind, status, code):
    """The next query finds the task."""
    sandbox.set_faults(Fault(kind))
    task_id = (await client.create()).output["task_id"]
    failed = await client.ask(task_id)

    assert (failed.status_code, failed.code) == (status, code)
    assert (await client.finish(task_id)).output["task_status"] == "SUCCEEDED"


async def test_a_query_can_be_dropped(client, sandbox):
    """Every connection is dropped, because both aiohttp and the SDK ask again by themselves."""
    sandbox.set_faults(Fault(FaultKind.TASK_QUERY_DROPPED, times=None))
    task_id = (await client.create()).output["task_id"]
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.ask(task_id)
    sandbox.set_faults()

    assert (await client.finish(task_id)).output["task_status"] == "SUCCEEDED"


async def test_a_creation_can_be_dropped_before_and_after_the_task_exists(client, sandbox):
    """Only the second one leaves a task, which is billed."""
    sandbox.set_faults(Fault(FaultKind.DROP_BEFORE, times=2))  # the SDK sends it again once
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.create()
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER, times=1))
    created = await client.create()
    await client.finish(created.output["task_id"])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while sandbox.ledger.billed_images < 2:
            await asyncio.sleep(0.01)

    assert [send.billed for send in sandbox.ledger.generations] == [0, 0, 1, 1]


@pytest.mark.parametrize("model", ["qwen-image-max", "qwen-image-2.0"])
async def test_other_models_have_no_tasks(client, sandbox, model):
    """They refuse the header with 403, on both endpoints."""
    refused = await client.create(model=model)
    elsewhere = await client.post(
        model,
        "/services/aigc/multimodal-generation/generation",
        **{"X-DashScope-Async": "enable"},
    )

    assert (refused.status_code, refused.code) == (403, "AccessDenied")
    assert (elsewhere.status, elsewhere.body["code"]) == (403, "AccessDenied")
    assert sandbox.ledger.billed_images == 0


async def test_the_endpoint_of_tasks_needs_the_header(client):
    """Without it, the request is refused."""
    refused = await client.post("qwen-image-3.0", CREATION)

    assert (refused.status, refused.body["code"]) == (403, "AccessDenied")
    assert "synchronous" in refused.body["message"]


async def test_a_reset_forgets_tasks(client, sandbox):
    """A task that runs is stopped; its id is unknown afterwards."""
    task_id = (await client.create()).output["task_id"]
    sandbox.reset()

    assert (await client.finish(task_id)).output["task_status"] == "UNKNOWN"
    assert sandbox.ledger.billed_images == 0
