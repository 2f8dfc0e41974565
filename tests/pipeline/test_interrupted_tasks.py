"""Interrupted asynchronous calls: their task is asked for, and nothing is sent again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.tasks import PATIENCE_SECONDS, calls, generate, left_in

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import (
    Billing,
    BudgetExceeded,
    CatalogError,
    DeadlineExceeded,
    StillsError,
    TaskRunning,
    WrongKey,
)
from stills.contract.generation import Stage
from stills.pipeline.policy import Policy
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.sandbox import Fault, FaultKind, Sandbox, SandboxSettings, SendKind

Make = Callable[..., object]


@pytest.fixture
async def slow_task(sandbox: Sandbox) -> None:
    """A task that takes longer than any request waits for it."""
    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=600.0))


@pytest.fixture
async def make_hurried(make_stills: Make, fast: Policy) -> AsyncIterator[Make]:
    """Make a Stills whose requests have 3 seconds, because models with tasks get twice the time."""

    async def make(**parts: object) -> Stills:
        return await make_stills(policy=replace(fast, deadline_seconds=1.5), **parts)

    return make


async def begin_and_abandon(stills: Stills, sandbox: Sandbox) -> None:
    """Close a Stills while it waits for a task that it has asked for."""
    waiting = asyncio.create_task(generate(stills))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not sandbox.ledger.of_kind(SendKind.TASK_QUERY):
            await asyncio.sleep(0.01)
    await stills.close()
    with suppress(asyncio.CancelledError):
        await waiting


async def test_queries_that_never_succeed_leave_the_task_to_the_next_request(
    make_hurried: Make, stills: Stills, sandbox: Sandbox
):
    """The service can't be reached until the deadline; a second request gets the image."""
    sandbox.set_faults(Fault(FaultKind.TASK_QUERY_UNAVAILABLE, times=None))
    with pytest.raises(TaskRunning):
        await generate(await make_hurried())
    sandbox.set_faults()
    await generate(stills)
    assert calls(sandbox) == [1]


@pytest.mark.usefixtures("slow_task")
async def test_a_deadline_while_the_service_works_says_that_it_goes_on(
    make_hurried: Make, sandbox: Sandbox, tmp_path: Path
):
    """A program may repeat the request without asking."""
    stills = await make_hurried()
    with pytest.raises(TaskRunning, match="no image within 3 s; the service is still") as caught:
        await generate(stills)

    error = caught.value
    assert error.billing is Billing.POSSIBLE
    assert (error.can_repeat, error.outcome_unknown) == (True, False)
    assert "Repeat the same request" in error.action
    assert "STILLS_DEADLINE_SECONDS" in error.action
    left = await left_in(tmp_path)
    assert (left.stage, left.task is not None) == (Stage.SENT, True)

    with pytest.raises(TaskRunning):
        await generate(stills)  # asks for the same task again
    assert calls(sandbox) == [0]


async def test_the_same_request_gets_the_image_of_a_task_that_outlived_its_deadline(
    make_hurried: Make, stills: Stills, sandbox: Sandbox
):
    """It is billed once, although two requests asked for it."""
    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=4.0))
    with pytest.raises(TaskRunning):
        await generate(await make_hurried())
    result = await generate(stills)

    assert result.notes == ()
    assert calls(sandbox) == [1]
    assert len(await stills.images.list()) == 1
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 0)


async def test_another_process_asks_for_the_task_of_one_that_ended(
    make_stills: Make, sandbox: Sandbox
):
    """Closing gives the claim back; the task stays in the journal."""
    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=0.5))
    await begin_and_abandon(await make_stills(), sandbox)
    await generate(await make_stills())
    assert calls(sandbox) == [1]


@pytest.mark.usefixtures("slow_task")
async def test_a_living_holder_keeps_its_claim_while_it_waits(
    make_stills: Make, make_hurried: Make, sandbox: Sandbox
):
    """Another process neither sends nor asks; its error names the holder."""
    holder = await make_stills()
    waiting = asyncio.create_task(generate(holder))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.01)
    with pytest.raises(StillsError, match="another process is still working on it"):
        await generate(await make_hurried())
    assert calls(sandbox) == [0]
    await holder.close()
    with suppress(asyncio.CancelledError):
        await waiting


async def test_a_task_of_yesterday_is_replaced_and_the_result_says_so(
    make_stills: Make, fast: Policy
):
    """After 24 hours, asking again sends again, as after any unknown outcome."""
    settings = SandboxSettings(latency_seconds=60.0)
    async with Sandbox(settings) as yesterday:
        before = Credentials(ProviderKey("sk-sandbox"), yesterday.base_url)
        hurried = await make_stills(credentials=before, policy=replace(fast, deadline_seconds=1.5))
        with pytest.raises(TaskRunning):
            await generate(hurried)
    stills = await make_stills()  # on a service that does not know the task

    result = await generate(stills)
    assert "The outcome of an earlier call for this image is unknown" in result.notes[0]
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 1)
    assert await stills.maintenance.recover() == []


@pytest.mark.usefixtures("slow_task")
async def test_a_lost_task_counts_towards_a_cap_before_another_call(
    make_hurried: Make, make_stills: Make, sandbox: Sandbox
):
    """The earlier call may be billed, so with it the request could exceed its cap."""
    with pytest.raises(TaskRunning):
        await generate(await make_hurried(), max_cost_usd=0.04)
    sandbox.reset()
    with pytest.raises(BudgetExceeded) as caught:
        await generate(await make_stills(), max_cost_usd=0.04)
    assert caught.value.billing is Billing.POSSIBLE
    assert calls(sandbox) == []


@pytest.mark.usefixtures("slow_task")
async def test_a_fresh_request_leaves_an_earlier_task_alone(
    make_hurried: Make, stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """It pays for an image of its own; the task can still be recovered."""
    with pytest.raises(TaskRunning):
        await generate(await make_hurried())
    await generate(stills, fresh=True)
    assert calls(sandbox) == [0, 1]
    left = await left_in(tmp_path)
    assert left.task is not None


@pytest.mark.usefixtures("slow_task")
async def test_a_key_that_is_refused_while_waiting_ends_the_wait(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path, monkeypatch
):
    """Asking on would not help; with a working key, the same request goes on."""
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), sandbox.base_url))

    async def refuse(*_: object, **__: object) -> None:
        raise WrongKey

    monkeypatch.setattr(provider, "ask_task", refuse)
    with pytest.raises(TaskRunning, match="does not know this API key, so the task") as caught:
        await generate(await make_stills(provider=provider))
    assert "Repeat the same request" in caught.value.action
    left = await left_in(tmp_path)
    assert left.task is not None


async def test_an_image_that_was_stored_is_not_asked_for(
    make_stills: Make, tmp_path: Path, sandbox: Sandbox, monkeypatch
):
    """A catalog that fails after the task was journalled: the image is found in the store."""
    catalog = SqliteCatalog(tmp_path / "stills.db")

    async def fail(*_: object, **__: object) -> None:
        raise CatalogError("the disk is full")

    for method in ("record_answer", "record_kept"):
        monkeypatch.setattr(catalog, method, fail)
    with pytest.raises(CatalogError, match="safe at"):
        await generate(await make_stills(catalog=catalog))
    sandbox.reset()  # the service has forgotten the task

    stills = await make_stills()
    await generate(stills)
    assert calls(sandbox) == []
    (line,) = await stills.spend()
    assert (line.billed, line.possible) == (1, 0)


async def test_a_deadline_after_the_task_has_ended_says_that_the_image_is_billed(
    make_hurried: Make, stills: Stills, sandbox: Sandbox
):
    """The service is not working on it any more; a retry only downloads it."""
    sandbox.set_faults(Fault(FaultKind.SLOW_DOWNLOAD, delay_seconds=600.0))
    with pytest.raises(DeadlineExceeded) as caught:
        await generate(await make_hurried())
    assert caught.value.billing is Billing.BILLED
    await generate(stills)
    assert calls(sandbox) == [1]


async def test_the_service_decides_when_it_is_asked_again(make_hurried: Make, sandbox: Sandbox):
    """With a Retry-After beyond the deadline, it is not asked twice."""
    sandbox.set_faults(Fault(FaultKind.TASK_QUERY_THROTTLED, times=None, retry_after_seconds=3600))
    with pytest.raises(TaskRunning):
        await generate(await make_hurried())
    assert len(sandbox.ledger.of_kind(SendKind.TASK_QUERY)) == 1
