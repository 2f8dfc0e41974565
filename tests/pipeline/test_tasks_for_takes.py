"""Takes that share an asynchronous call and are interrupted: their task is asked for."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.tasks import KITE, MODEL, PATIENCE_SECONDS, calls

from stills.app import Stills
from stills.catalog import SqliteCatalog
from stills.contract.errors import CatalogError, StillsError, TaskRunning
from stills.contract.generation import Task
from stills.contract.result import ImageResult
from stills.pipeline.policy import Policy
from stills.sandbox import Fault, FaultKind, Sandbox, SendKind

Make = Callable[..., object]


async def generate(stills: Stills, takes: int = 3) -> list[ImageResult]:
    return list(await stills.generate_takes(KITE, takes=takes, model=MODEL))


@pytest.fixture
def leave_a_task(make_stills: Make, fast: Policy, sandbox: Sandbox):
    """Let three takes end at their deadline while the service works on their task."""

    async def leave(kind: FaultKind = FaultKind.TASK_SLOW) -> None:
        # Failed queries keep the takes waiting, however quickly the task ends.
        sandbox.set_faults(
            Fault(FaultKind.TASK_QUERY_UNAVAILABLE, times=None), Fault(kind, delay_seconds=0.1)
        )
        stills = await make_stills(policy=replace(fast, deadline_seconds=1.5))
        with pytest.raises(TaskRunning):
            await generate(stills)
        await stills.close()
        sandbox.set_faults()

    return leave


async def abandon(stills: Stills, sandbox: Sandbox, *, queries: int = 1) -> None:
    """Close a Stills while it waits for the task of three takes, after some queries."""
    waiting = asyncio.create_task(generate(stills))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(sandbox.ledger.of_kind(SendKind.TASK_QUERY)) < queries:
            await asyncio.sleep(0.01)
    await stills.close()
    with suppress(asyncio.CancelledError):
        await waiting


async def spent(stills: Stills) -> tuple[int, int]:
    lines = await stills.spend()
    return (lines[0].billed, lines[0].possible) if lines else (0, 0)


async def test_recover_stores_every_image_of_the_task(
    leave_a_task, stills: Stills, sandbox: Sandbox
):
    """Each is listed, and the takes get them free."""
    await leave_a_task()
    assert [outcome.kept for outcome in await stills.maintenance.recover()] == [True] * 3
    assert all(result.cached for result in await generate(stills))
    assert calls(sandbox) == [3]
    assert await spent(stills) == (3, 0)


async def test_one_more_take_does_not_wait_for_the_task_of_the_others(
    leave_a_task, stills: Stills, sandbox: Sandbox
):
    """Its own call goes out at once, with it alone."""
    await leave_a_task()
    sandbox.set_faults(Fault(FaultKind.TASK_QUERY_UNAVAILABLE, times=None))
    generating = asyncio.create_task(generate(stills, takes=4))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(calls(sandbox)) < 2:
            await asyncio.sleep(0.01)
    sandbox.set_faults()
    assert len(await generating) == 4
    assert calls(sandbox) == [3, 1]
    assert await spent(stills) == (4, 0)


async def test_an_image_that_the_task_did_not_make_is_not_billed(
    leave_a_task, stills: Stills, sandbox: Sandbox
):
    """The others are stored; asking again orders what is missing."""
    await leave_a_task(FaultKind.FEWER_IMAGES)
    with pytest.raises(StillsError, match="only 2 of the images"):
        await generate(stills)
    assert await spent(stills) == (2, 0)
    await generate(stills)
    assert calls(sandbox) == [2, 1]
    assert await spent(stills) == (3, 0)


async def test_a_failed_task_of_several_takes_is_retried_together(stills: Stills, sandbox: Sandbox):
    """It was not billed."""
    sandbox.set_faults(Fault(FaultKind.TASK_FAILED))
    await generate(stills)
    assert calls(sandbox)[0] == 0
    assert sum(calls(sandbox)) == 3
    assert await spent(stills) == (3, 0)


async def test_a_process_that_ends_leaves_the_task_of_all_takes(
    make_stills: Make, sandbox: Sandbox
):
    """Another process gets all images without a call."""
    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=0.5))
    await abandon(await make_stills(), sandbox)
    second = await make_stills()
    assert len(await generate(second)) == 3
    assert calls(sandbox) == [3]
    assert await spent(second) == (3, 0)


async def test_if_the_task_can_t_be_journalled_at_once_each_take_journals_it(
    make_stills: Make, sandbox: Sandbox, tmp_path: Path
):
    """The catalog may have been busy; another process gets all images without a call."""

    class Busy(SqliteCatalog):
        async def record_tasks(self, tasks: Mapping[str, Task]) -> None:
            if len(tasks) > 1:
                raise CatalogError("the database is locked")
            await super().record_tasks(tasks)

    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=0.5))
    await abandon(await make_stills(catalog=Busy(tmp_path / "stills.db")), sandbox, queries=3)
    second = await make_stills()
    assert len(await generate(second)) == 3
    assert calls(sandbox) == [3]


async def test_a_task_is_journalled_once_for_all_takes(make_stills: Make, monkeypatch):
    """One write, before the first query."""

    async def fail(*_: object) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr(SqliteCatalog, "record_task", fail)
    assert len(await generate(await make_stills())) == 3
