"""Asynchronous calls: one call creates a task, which is asked for until it ends."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.tasks import KITE, MODEL, calls, generate

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    AnswerTimeout,
    Billing,
    CatalogError,
    ConnectionLost,
    ContentRefused,
    RequestRejected,
    ServiceUnavailable,
    TaskLost,
)
from stills.contract.rate_limit import RateLimit
from stills.pipeline.policy import Policy
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.sandbox import Fault, FaultKind, Sandbox, SendKind

Make = Callable[..., object]


async def test_a_model_with_tasks_is_called_asynchronously(stills: Stills, sandbox: Sandbox):
    """One call creates the task; then the image is asked for, downloaded and stored."""
    result = await generate(stills)

    assert (result.width, result.height, result.seed) == (512, 512, 1234)
    assert not result.cached
    assert calls(sandbox) == [1]
    assert sandbox.ledger.of_kind(SendKind.TASK_QUERY)
    assert (await generate(stills)).cached
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 0)


@pytest.mark.parametrize(
    ("model", "uses_tasks"), [("qwen-image-2.0", True), (MODEL, False), ("qwen-image-max", True)]
)
async def test_other_calls_stay_synchronous(
    make_stills: Make, sandbox: Sandbox, fast: Policy, model: str, uses_tasks: bool
):
    """The model table decides, and the setting can switch tasks off."""
    stills = await make_stills(policy=replace(fast, uses_tasks=uses_tasks))
    await stills.generate(KITE, model=model)

    assert calls(sandbox) == [1]
    assert not sandbox.ledger.of_kind(SendKind.TASK_QUERY)


async def test_the_task_is_journalled_before_it_is_asked_for(
    make_stills: Make, tmp_path: Path, sandbox: Sandbox, monkeypatch
):
    """A process that dies between the answer and the first query loses nothing."""
    journalled: list[str | None] = []
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), sandbox.base_url))
    catalog = SqliteCatalog(tmp_path / "stills.db")
    ask_task, record_task = provider.ask_task, catalog.record_task

    async def ask(task_id: str, **options: object) -> object:
        assert journalled == [task_id]
        return await ask_task(task_id, **options)

    async def record(generation_id: str, task: object) -> None:
        await record_task(generation_id, task)
        journalled.append(task.id)

    monkeypatch.setattr(provider, "ask_task", ask)
    monkeypatch.setattr(catalog, "record_task", record)
    await generate(await make_stills(provider=provider, catalog=catalog))
    assert len(journalled) == 1


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.TASK_QUERY_DROPPED,
        FaultKind.TASK_QUERY_UNAVAILABLE,
        FaultKind.TASK_QUERY_THROTTLED,
        FaultKind.TASK_QUERY_HTML,
    ],
)
async def test_failed_queries_are_repeated(stills: Stills, sandbox: Sandbox, kind: FaultKind):
    """They say nothing about the task, so the outcome never counts as unknown."""
    sandbox.set_faults(Fault(kind, times=7))
    result = await generate(stills)

    assert result.notes == ()
    assert calls(sandbox) == [1]
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.DROP_BEFORE, ConnectionLost),
        (FaultKind.DROP_AFTER, ConnectionLost),
        (FaultKind.SLOW, AnswerTimeout),
    ],
)
async def test_a_creation_without_an_answer_is_an_unknown_outcome(
    make_stills: Make, fast: Policy, sandbox: Sandbox, kind: FaultKind, expected: type
):
    """As for a synchronous call: it is not repeated, and asking again sends another."""
    seconds = 1.0 if kind is FaultKind.SLOW else 20.0
    stills = await make_stills(policy=replace(fast, answer_timeout_seconds=seconds))
    sandbox.set_faults(Fault(kind, delay_seconds=60.0))
    with pytest.raises(expected) as caught:
        await generate(stills)
    assert caught.value.billing is Billing.POSSIBLE
    assert len(sandbox.ledger.generations) == 1

    await generate(await make_stills())
    assert len(sandbox.ledger.generations) == 2
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 1)


async def test_a_failed_task_is_retried_because_it_is_not_billed(stills: Stills, sandbox: Sandbox):
    """Like a synchronous call that failed on the service's side."""
    sandbox.set_faults(Fault(FaultKind.TASK_FAILED))
    await generate(stills)
    assert calls(sandbox) == [0, 1]
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "expected", "number"),
    [
        (FaultKind.TASK_FAILED, ServiceUnavailable, 3),
        (FaultKind.TASK_REFUSED, ContentRefused, 1),
        (FaultKind.TASK_CANCELED, RequestRejected, 1),
    ],
)
async def test_a_task_that_always_fails_is_not_billed(
    stills: Stills, sandbox: Sandbox, kind: FaultKind, expected: type, number: int
):
    """Its code decides whether it is retried; the ledger shows no cost."""
    sandbox.set_faults(Fault(kind, times=None))
    with pytest.raises(expected) as caught:
        await generate(stills)
    assert caught.value.billing is Billing.NONE
    assert calls(sandbox) == [0] * number
    assert await stills.spend() == []
    assert await stills.maintenance.recover() == []


async def test_a_task_without_an_image_is_repeated_with_a_simpler_prompt(
    stills: Stills, sandbox: Sandbox
):
    """As for a synchronous answer without an image."""
    sandbox.set_faults(Fault(FaultKind.NO_IMAGE))
    result = await generate(stills)
    assert calls(sandbox) == [0, 1]
    assert "simpler one was sent" in result.notes[0]


async def test_a_task_that_is_lost_is_an_unknown_outcome(stills: Stills, sandbox: Sandbox):
    """The service forgot the task that this request created: nothing is sent automatically."""
    sandbox.set_faults(Fault(FaultKind.TASK_LOST))
    with pytest.raises(TaskLost) as caught:
        await generate(stills)
    assert caught.value.billing is Billing.POSSIBLE
    assert not caught.value.can_repeat
    assert calls(sandbox) == [1]
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (0, 1)


async def test_a_task_that_can_not_be_journalled_still_brings_its_image(
    make_stills: Make, tmp_path: Path, sandbox: Sandbox, monkeypatch
):
    """Only another process could not ask for it."""

    async def fail(*_: object, **__: object) -> None:
        raise CatalogError("the disk is full")

    catalog = SqliteCatalog(tmp_path / "stills.db")
    monkeypatch.setattr(catalog, "record_task", fail)
    await generate(await make_stills(catalog=catalog))
    assert calls(sandbox) == [1]


async def test_queries_use_none_of_the_rate_limit(make_stills: Make, sandbox: Sandbox):
    """With one call an hour, a task can be asked for as often as needed."""
    stills = await make_stills(rate_limit=RateLimit(1 / 3600))
    sandbox.set_faults(Fault(FaultKind.TASK_QUERY_THROTTLED, times=5))
    await generate(stills)
    assert calls(sandbox) == [1]
    assert len(sandbox.ledger.of_kind(SendKind.TASK_QUERY)) >= 6


async def test_requests_of_one_process_share_a_task(stills: Stills, sandbox: Sandbox):
    """Equal requests wait for one task."""
    results = await asyncio.gather(*(generate(stills) for _ in range(5)))
    assert len({result.id for result in results}) == 1
    assert calls(sandbox) == [1]
