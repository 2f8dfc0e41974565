"""Recover asks for the tasks that interrupted requests left."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.support.recovery import KITE, Make, ends, make_without_a_key

from stills.app import Stills
from stills.pipeline.policy import Policy
from stills.provider.credentials import Credentials, ProviderKey
from stills.sandbox import Fault, FaultKind, Sandbox, SendKind

MODEL = "qwen-image-3.0"
PATIENCE_SECONDS = 30.0


@pytest.fixture
def leave_a_task(make_stills: Make, sandbox: Sandbox):
    """Let a process end while the service works on its image."""

    async def leave(kind: FaultKind = FaultKind.TASK_SLOW, **options: object) -> None:
        # A query that fails keeps a request waiting, however quickly the task ends.
        sandbox.set_faults(
            Fault(FaultKind.TASK_QUERY_UNAVAILABLE, times=None), Fault(kind, delay_seconds=0.1)
        )
        stills, asked = await make_stills(), len(sandbox.ledger.of_kind(SendKind.TASK_QUERY))
        waiting = asyncio.create_task(stills.generate(KITE, model=MODEL, **options))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(sandbox.ledger.of_kind(SendKind.TASK_QUERY)) == asked:
                await asyncio.sleep(0.01)
        await stills.close()
        with suppress(asyncio.CancelledError):
            await waiting
        sandbox.set_faults()

    return leave


async def spent(stills: Stills) -> tuple[int, int]:
    lines = await stills.spend()
    return (lines[0].billed, lines[0].possible) if lines else (0, 0)


async def test_a_task_becomes_a_stored_image(leave_a_task, stills: Stills, sandbox: Sandbox):
    """No call is sent; the image is listed, and requests get it free."""
    await leave_a_task()
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    assert await stills.maintenance.recover() == []
    (image,) = await stills.images.list()
    (call,) = await stills.images.list_sends(image)
    assert (call.code, call.request_id is None) == ("answered", False)
    assert (await stills.generate(KITE, model=MODEL)).cached
    assert [send.billed for send in sandbox.ledger.generations] == [1]
    assert await spent(stills) == (1, 0)


async def test_the_task_of_a_fresh_request_is_recovered_beside_an_older_image(
    leave_a_task, stills: Stills
):
    """Both images are paid for, so both are stored."""
    await stills.generate(KITE, model=MODEL)
    await leave_a_task(fresh=True)
    assert ends(await stills.maintenance.recover()) == [(True, "")]
    assert (await stills.images.verify()).checked == 2
    assert await spent(stills) == (2, 0)


async def test_a_task_that_still_runs_is_left_for_later(
    leave_a_task, make_stills: Make, fast: Policy, sandbox: Sandbox
):
    """Recover waits as long as a request, then says to run it again."""
    await leave_a_task()
    sandbox.set_faults(Fault(FaultKind.TASK_QUERY_UNAVAILABLE, times=None))
    hurried = await make_stills(policy=replace(fast, deadline_seconds=0.3))
    ((kept, reason),) = ends(await hurried.maintenance.recover())
    assert not kept
    assert "still working on it: run `stills recover` again" in reason
    sandbox.set_faults()
    assert ends(await (await make_stills()).maintenance.recover()) == [(True, "")]


@pytest.mark.parametrize(
    ("kind", "words", "money"),
    [
        (FaultKind.TASK_REFUSED, "DataInspectionFailed", (0, 0)),
        (FaultKind.TASK_LOST, "no longer knows", (0, 1)),
    ],
)
async def test_a_task_without_an_image_is_reported_once(
    leave_a_task, stills: Stills, kind: FaultKind, words: str, money: tuple[int, int]
):
    """The ledger shows what is known about its cost."""
    await leave_a_task(kind)
    ((kept, reason),) = ends(await stills.maintenance.recover())
    assert (kept, words in reason) == (False, True)
    assert await spent(stills) == money
    assert await stills.maintenance.recover() == []


async def test_without_a_key_a_task_waits_for_one(leave_a_task, make_stills: Make):
    """Its provider must be asked."""
    await leave_a_task()
    without = await make_without_a_key(make_stills)
    assert ends(await without.maintenance.recover()) == [
        (False, "to be downloaded from sandbox: run again with its key set")
    ]
    assert ends(await (await make_stills()).maintenance.recover()) == [(True, "")]


async def test_a_task_that_a_living_process_waits_for_is_left_alone(
    make_stills: Make, sandbox: Sandbox
):
    """Its holder will finish it."""
    sandbox.set_faults(Fault(FaultKind.TASK_SLOW, delay_seconds=1.0))
    waiting = asyncio.create_task((await make_stills()).generate(KITE, model=MODEL))
    async with asyncio.timeout(30):
        while not sandbox.ledger.generations:
            await asyncio.sleep(0.01)
    assert await (await make_stills()).maintenance.recover() == []
    await waiting
    assert sandbox.ledger.billed_images == 1


async def test_a_refused_key_leaves_the_task(leave_a_task, make_stills: Make, sandbox: Sandbox):
    """With a working key, it is recovered."""
    await leave_a_task()
    refused = Credentials(ProviderKey("sk-sandbox-denied"), sandbox.base_url)
    ((kept, reason),) = ends(await (await make_stills(credentials=refused)).maintenance.recover())
    assert (kept, "can't be queried" in reason) == (False, True)
    assert ends(await (await make_stills()).maintenance.recover()) == [(True, "")]
