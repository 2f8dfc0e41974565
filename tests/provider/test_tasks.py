"""Asynchronous calls: one request on the wire creates a task, and asking for it is free."""

import asyncio

import pytest

from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    ConnectionLost,
    ContentRefused,
    InvalidReference,
    RateLimited,
    RequestRejected,
    ServiceUnavailable,
    StillsError,
    TaskLost,
    UnexpectedAnswer,
    WrongKey,
)
from stills.contract.generation import ProviderAnswer
from stills.contract.size import Size
from stills.provider.dashscope import DashScope
from stills.sandbox import Fault, FaultKind, Sandbox, SandboxSettings, SendKind

PATIENCE = 20.0
MODEL = "qwen-image-3.0"


@pytest.fixture
def third_generation(provider_request):
    """Make requests to a model with the asynchronous API."""

    def make(text: str = "a red kite", **fields):
        return provider_request(text, **{"model": MODEL, "size": Size(512, 512), **fields})

    return make


async def ask(provider: DashScope, task_id: str, *, has_reference: bool = False):
    return await provider.ask_task(
        task_id, model=MODEL, has_reference=has_reference, timeout_seconds=PATIENCE
    )


async def end(provider: DashScope, request) -> ProviderAnswer | StillsError:
    """Create a task, and ask until it has ended."""
    task_id = await provider.create_task(request, timeout_seconds=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while (outcome := await ask(provider, task_id)) is None:
            await asyncio.sleep(0.01)
    return outcome


async def test_a_task_becomes_an_image(provider, sandbox, third_generation):
    """One call creates the task, which is billed once."""
    answer = await end(provider, third_generation(seed=9))
    data = b"".join(await provider.download(answer.image_url, timeout_seconds=PATIENCE))

    assert data.startswith(b"\x89PNG")
    (send,) = sandbox.ledger.generations
    assert (send.model, send.seed, send.billed) == (MODEL, 9, 1)


async def test_a_task_that_runs_has_no_outcome_yet(make_provider, third_generation):
    """None means that it has not ended."""
    async with Sandbox(SandboxSettings(latency_seconds=60.0)) as slow:
        provider = await make_provider(slow.base_url)
        task_id = await provider.create_task(third_generation(), timeout_seconds=PATIENCE)
        assert await ask(provider, task_id) is None


async def test_a_task_is_asked_for_where_it_was_created(
    provider, sandbox, third_generation, monkeypatch
):
    """The SDK's own `fetch` would ask at the base URL of the environment."""
    monkeypatch.setattr("dashscope.base_http_api_url", "http://127.0.0.1:9/api/v1")
    assert isinstance(await end(provider, third_generation()), ProviderAnswer)
    assert sandbox.ledger.of_kind(SendKind.TASK_QUERY)


async def test_links_of_an_embedded_sandbox_are_dead_afterwards(
    make_provider, sandbox, third_generation
):
    """As for synchronous calls, no later process can download them."""
    provider = await make_provider(sandbox.base_url, has_live_links=False)
    assert (await end(provider, third_generation())).expires_at == 0.0


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
async def test_a_creation_without_an_answer_is_sent_once(provider, sandbox, third_generation, kind):
    """The SDK would send it again, and both tasks would be billed."""
    sandbox.set_faults(Fault(kind))
    with pytest.raises(ConnectionLost) as caught:
        await provider.create_task(third_generation(), timeout_seconds=PATIENCE)
    assert caught.value.billing is Billing.POSSIBLE
    assert len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.TRUNCATED_ANSWER, UnexpectedAnswer),
        (FaultKind.HTML_ANSWER, UnexpectedAnswer),
        (FaultKind.GATEWAY_TIMEOUT, ServiceUnavailable),
        (FaultKind.SLOW, AnswerTimeout),
    ],
)
async def test_a_creation_with_an_unreadable_answer_may_be_billed(
    provider, sandbox, third_generation, kind, expected
):
    """The task may exist, and can't be asked for."""
    sandbox.set_faults(Fault(kind, delay_seconds=60))
    with pytest.raises(expected) as caught:
        await provider.create_task(third_generation(), timeout_seconds=3.0)
    assert caught.value.billing is Billing.POSSIBLE


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.THROTTLED, RateLimited),
        (FaultKind.CONTENT_REFUSED, ContentRefused),
        (FaultKind.INTERNAL_ERROR, ServiceUnavailable),
        (FaultKind.ERROR_IN_200, ServiceUnavailable),
    ],
)
async def test_a_refused_creation_is_free(provider, sandbox, third_generation, kind, expected):
    """No task exists."""
    sandbox.set_faults(Fault(kind))
    with pytest.raises(expected) as caught:
        await provider.create_task(third_generation(), timeout_seconds=PATIENCE)
    assert caught.value.billing is Billing.NONE
    assert sandbox.ledger.billed_images == 0


@pytest.mark.parametrize(
    ("kind", "expected", "billing", "words"),
    [
        (FaultKind.TASK_FAILED, ServiceUnavailable, Billing.NONE, "InternalError"),
        (FaultKind.TASK_REFUSED, ContentRefused, Billing.NONE, "DataInspectionFailed"),
        (FaultKind.TASK_CANCELED, RequestRejected, Billing.NONE, "canceled"),
        (FaultKind.TASK_LOST, TaskLost, Billing.POSSIBLE, "no longer knows"),
    ],
)
async def test_a_task_ends_with_an_error(
    provider, sandbox, third_generation, kind, expected, billing, words
):
    """Its code means the same as that of a refused call; a failed task is not billed."""
    sandbox.set_faults(Fault(kind))
    error = await end(provider, third_generation())
    assert (type(error), error.billing) == (expected, billing)
    assert words in error.message


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.TASK_QUERY_DROPPED, ConnectionLost),
        (FaultKind.TASK_QUERY_UNAVAILABLE, ServiceUnavailable),
        (FaultKind.TASK_QUERY_THROTTLED, RateLimited),
        (FaultKind.TASK_QUERY_HTML, UnexpectedAnswer),
    ],
)
async def test_a_failed_query_says_nothing_about_the_task(
    provider, sandbox, third_generation, kind, expected
):
    """It is raised, not returned, and the next query finds the task."""
    task_id = await provider.create_task(third_generation(), timeout_seconds=PATIENCE)
    sandbox.set_faults(Fault(kind, times=None))
    with pytest.raises(expected):
        await ask(provider, task_id)
    sandbox.set_faults()
    assert not isinstance(await ask(provider, task_id), StillsError)


async def test_a_refused_key_is_told_from_a_failed_task(make_provider, sandbox):
    """A key that the service does not accept can't ask."""
    provider = await make_provider(sandbox.base_url, key="sk-real")
    with pytest.raises(WrongKey):
        await ask(provider, "some-task")


async def test_a_failed_task_can_blame_the_reference(answering, make_provider):
    """Only if there was one."""
    output = {"task_id": "t", "task_status": "FAILED", "code": "InvalidImage.FileFormat"}
    provider = await make_provider((await answering({"output": output})).base_url)
    assert isinstance(await ask(provider, "t", has_reference=True), InvalidReference)
    assert isinstance(await ask(provider, "t", has_reference=False), RequestRejected)


async def test_an_image_in_the_form_of_older_models_is_read(answering, make_provider):
    """A paid image is not lost because the service lists it under `results`."""
    url = "https://images.example/kite.png"
    output = {"task_id": "t", "task_status": "SUCCEEDED", "results": [{"url": url}]}
    provider = await make_provider((await answering({"output": output})).base_url)
    assert (await ask(provider, "t")).image_url == url


@pytest.mark.parametrize("state", ["PAUSED", "", None, 7, ["SUCCEEDED"]])
async def test_an_unknown_state_is_not_an_outcome(answering, make_provider, state):
    """A state that does not exist today ends no task."""
    output = {"task_id": "t", "task_status": state}
    provider = await make_provider((await answering({"output": output})).base_url)
    with pytest.raises(UnexpectedAnswer):
        await ask(provider, "t")


@pytest.mark.parametrize(
    "task_id", ["", None, 7, "../../uploads", "a/b", "a?b", "a b", "ä", "a" * 129, {"a": 1}]
)
async def test_an_id_that_is_none_is_refused(answering, make_provider, third_generation, task_id):
    """An id becomes a part of a URL, so it may not leave its path."""
    output = {"task_id": task_id, "task_status": "PENDING"}
    provider = await make_provider((await answering({"output": output})).base_url)
    with pytest.raises(UnexpectedAnswer, match="no usable id") as caught:
        await provider.create_task(third_generation(), timeout_seconds=PATIENCE)
    assert caught.value.billing is Billing.POSSIBLE


async def test_a_query_reads_no_endless_answer(answering, make_provider):
    """A body over the limit is not read to its end."""
    provider = await make_provider((await answering(b"[" + b" " * 2**21)).base_url)
    with pytest.raises(UnexpectedAnswer):
        await ask(provider, "t")


async def test_a_prompt_that_names_a_file_is_not_uploaded(
    provider, sandbox, third_generation, tmp_path
):
    """The guard of synchronous calls holds here, too."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    assert isinstance(await end(provider, third_generation(str(secret))), ProviderAnswer)
    assert {send.kind for send in sandbox.ledger.sends} == {
        SendKind.GENERATION,
        SendKind.TASK_QUERY,
    }
    assert sandbox.ledger.generations[0].prompt == str(secret)
