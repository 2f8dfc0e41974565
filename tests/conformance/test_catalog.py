"""Claims in every Catalog. To test another catalog, add it to `CATALOGS` in conftest.py."""

import asyncio
import os
import socket
import time
from dataclasses import replace

import pytest

from stills.contract.errors import Billing, CatalogError
from stills.contract.generation import (
    CatalogHit,
    Claim,
    Held,
    ProviderAnswer,
    Settlement,
    Stage,
    Task,
)
from stills.contract.size import Size

NATIVE = Size(1328, 1328)
LEASE_SECONDS = 60.0
LAPSED = -1.0  # a lease that is over as soon as it is given
BILLED = Settlement(Billing.BILLED, "answered", "r-1")
LINK = "https://oss.example/a.png"


async def test_of_two_workers_with_the_same_key_one_works(open_worker, spec):
    """The other waits, also on another connection; another key is free."""
    one, other = open_worker(), open_worker()
    claim = await one.take()
    assert isinstance(claim, Claim)
    assert (claim.generation.stage, claim.generation.spec) == (Stage.CLAIMED, spec())
    assert isinstance(await other.take(), Held)
    assert isinstance(await other.take(fresh=True), Held)
    assert isinstance(await other.take(spec("k2")), Claim)


async def test_fresh_always_starts_a_generation_and_the_newest_answers(catalog, worker, spec):
    """A fresh claim never returns a hit; its image answers from then on."""
    await worker.keep(await worker.take())
    claim = await worker.take(replace(spec(), seed=8), fresh=True)
    assert isinstance(claim, Claim)
    assert (await catalog.find("k", NATIVE)).generation.spec.seed == 7
    await worker.keep(claim)
    assert (await catalog.find("k", NATIVE)).generation.spec.seed == 8


async def test_the_newest_started_generation_answers(catalog, worker):
    """A slow worker that was overtaken does not replace the newer image."""
    slow = await worker.take(lease_seconds=LAPSED)
    newer = await worker.take(fresh=True)
    await worker.keep(newer)
    await worker.keep_answered(slow)
    assert (await catalog.find("k", NATIVE)).generation.id == newer.generation.id


async def test_a_released_claim_is_free_and_a_failed_generation_is_not_resumed(catalog, worker):
    """After a failed call and a release, the next claim starts a new generation."""
    claim = await worker.take()
    number = await worker.send(claim)
    await catalog.settle_send(number, Settlement(Billing.NONE, "rate_limited"))
    await catalog.release(claim)
    again = await worker.take()
    assert again.generation.id != claim.generation.id
    assert again.generation.notes == ()


async def test_a_failed_generation_is_not_unfinished(catalog, worker, spec):
    """Nothing of it can be recovered, even while another generation's call is open."""
    await worker.send(await worker.take(spec("k2")))
    claim = await worker.take()
    number = await worker.send(claim)
    await catalog.settle_send(number, Settlement(Billing.NONE, "rate_limited"))
    await catalog.release(claim)
    assert list(await catalog.list_unfinished()) == []


async def test_a_lapsed_lease_is_taken_over(catalog, worker):
    """The first worker then can't renew, can't send, and its release changes nothing."""
    asleep = await worker.take(lease_seconds=LAPSED)
    awake = await worker.take()
    assert awake.token != asleep.token
    assert await catalog.renew(asleep, lease_seconds=LEASE_SECONDS) is False
    assert await worker.send(asleep) is None
    assert list(await catalog.list_sends(asleep.generation.id)) == []
    await catalog.release(asleep)
    assert isinstance(await worker.take(), Held)
    assert await catalog.renew(awake, lease_seconds=LEASE_SECONDS) is True


@pytest.mark.parametrize("step_seconds", [3600.0, -3600.0])
async def test_setting_the_time_of_day_changes_no_lease(
    open_worker, spec, monkeypatch, step_seconds
):
    """A running worker keeps its claim and a dead one loses it, however far the clock is set."""
    one, other = open_worker(), open_worker()
    await one.answer(await one.take())
    dead = await one.take(spec("k2"))
    made = await one.answer(dead, lives_seconds=86400.0)
    await one.lapse(dead)
    time_of_day = time.time
    monkeypatch.setattr(time, "time", lambda: time_of_day() + step_seconds)
    assert isinstance(await other.take(), Held)
    assert [left.id for left in await other.catalog.list_unfinished()] == [dead.generation.id]
    assert (await other.take(spec("k2"))).generation.answer == made


async def test_a_lapsed_lease_that_was_not_taken_over_still_sends(worker):
    """Sending extends the lease."""
    claim = await worker.take(lease_seconds=LAPSED)
    assert await worker.send(claim) is not None
    assert isinstance(await worker.take(), Held)


async def test_renewing_keeps_others_out(catalog, worker):
    """A lease that is renewed after it lapsed still belongs to the first worker."""
    claim = await worker.take(lease_seconds=LAPSED)
    assert await catalog.renew(claim, lease_seconds=LEASE_SECONDS)
    assert isinstance(await worker.take(), Held)


async def test_an_answer_of_a_dead_worker_is_resumed(worker, spec):
    """The claim has the same generation, with its link and its seed."""
    dead = await worker.take()
    made = await worker.answer(dead)
    await worker.lapse(dead)
    heir = await worker.take(replace(spec(), seed=99))
    assert heir.generation.id == dead.generation.id
    assert (heir.generation.stage, heir.generation.answer) == (Stage.ANSWERED, made)
    assert heir.generation.spec.seed == 7


async def test_an_answer_survives_a_release(catalog, worker):
    """A worker that failed to download releases its claim; the next one resumes."""
    claim = await worker.take()
    await worker.answer(claim)
    await catalog.release(claim)
    assert (await worker.take()).generation.id == claim.generation.id


async def test_a_spooled_image_is_resumed(catalog, worker):
    """It needs no link, so an expired one doesn't matter."""
    claim = await worker.take()
    await worker.answer(claim, lives_seconds=-1.0)
    spooled = {"sha256": "ab" * 32, "byte_count": 9, "spool_url": "file:///a.png"}
    await catalog.record_spooled(claim.generation.id, **spooled)
    await catalog.release(claim)
    left = (await worker.take()).generation
    assert (left.id, left.stage) == (claim.generation.id, Stage.SPOOLED)
    assert (left.sha256, left.byte_count, left.spool_url) == ("ab" * 32, 9, "file:///a.png")
    assert left.spool_owner == socket.gethostname()


async def test_an_expired_link_is_still_resumed(worker):
    """This machine's clock may be fast, so the link may still work."""
    claim = await worker.take()
    await worker.answer(claim, lives_seconds=-3600.0)
    await worker.lapse(claim)
    heir = await worker.take()
    assert (heir.generation.id, heir.generation.stage) == (claim.generation.id, Stage.ANSWERED)


async def test_a_dead_link_is_not_resumed_but_noted(catalog, worker):
    """The next image has a note about the bill."""
    claim = await worker.take()
    await worker.answer(claim, lives_seconds=-1.0)
    await catalog.record_link_dead(claim.generation.id)
    await worker.lapse(claim)
    heir = await worker.take()
    assert heir.generation.id != claim.generation.id
    (note,) = heir.generation.notes
    assert "billed" in note
    assert "expired" in note


async def test_the_link_of_a_stored_image_cannot_die(catalog, worker):
    """A slower download changes nothing."""
    claim = await worker.take()
    await worker.answer(claim)
    await worker.keep(claim)
    await catalog.record_link_dead(claim.generation.id)
    found = await worker.take()
    assert (found.generation.id, found.generation.stage) == (claim.generation.id, Stage.KEPT)


async def test_an_unknown_outcome_is_not_resumed_but_noted(catalog, worker):
    """A worker that stopped waiting may have been billed, so the next image has a note."""
    gone = await worker.take()
    await worker.send(gone)
    await catalog.release(gone)
    heir = await worker.take()
    assert heir.generation.id != gone.generation.id
    (note,) = heir.generation.notes
    assert "may be billed" in note
    await worker.keep(heir)
    assert (await catalog.find("k", NATIVE)).generation.notes == (note,)


async def test_a_running_worker_is_not_overtaken_during_its_call(catalog, open_worker, worker):
    """It may be paused, and a second call would be billed too."""
    other = open_worker()
    claim = await worker.take()
    number = await worker.send(claim)
    await worker.lapse(claim)
    held = await other.take()
    assert isinstance(held, Held)
    assert isinstance(await other.take(fresh=True), Held)
    assert (held.host, held.pid) == (socket.gethostname(), os.getpid())
    assert abs(held.since - time.time()) < 60
    assert list(await catalog.list_unfinished()) == []
    await catalog.settle_send(number, Settlement(Billing.POSSIBLE, "connection_lost"))
    assert isinstance(await other.take(), Claim)


async def test_an_answered_call_can_be_overtaken_despite_an_unsettled_earlier_one(worker):
    """Only the download is missing, and it is free."""
    claim = await worker.take()
    await worker.send(claim)
    made = await worker.answer(claim)
    await worker.lapse(claim)
    assert (await worker.take()).generation.answer == made


@pytest.mark.parametrize("sends", [0, 1])
async def test_a_dead_worker_without_an_open_call_leaves_no_note(catalog, worker, sends):
    """It had only claimed the key, or its call was refused free of charge."""
    dead = await worker.take()
    for _ in range(sends):
        number = await worker.send(dead)
        await catalog.settle_send(number, Settlement(Billing.NONE, "rate_limited"))
    await worker.lapse(dead)
    heir = await worker.take()
    assert (heir.generation.notes, heir.generation.id == dead.generation.id) == ((), False)


async def test_fresh_never_resumes(catalog, worker):
    """An answered generation stays for requests that are not fresh."""
    claim = await worker.take()
    await worker.answer(claim)
    await catalog.release(claim)
    fresh = await worker.take(fresh=True)
    assert fresh.generation.id != claim.generation.id
    await catalog.release(fresh)
    assert (await worker.take()).generation.id == claim.generation.id


async def test_a_call_with_a_task_is_resumed_until_it_is_settled(catalog, worker):
    """The next holder of the claim asks for the task; a fresh request leaves it alone."""
    claim = await worker.take()
    task = Task("t-1", await worker.send(claim), image=2)
    await catalog.record_task(claim.generation.id, task)
    await catalog.release(claim)

    resumed = await worker.take()
    assert (resumed.generation.id, resumed.generation.task) == (claim.generation.id, task)
    assert resumed.generation.stage is Stage.SENT
    assert resumed.cut_off == (claim.generation.id,)  # its image may be in the store all the same
    await catalog.release(resumed)
    fresh = await worker.take(fresh=True)
    assert fresh.generation.task is None
    await catalog.release(fresh)

    await catalog.settle_send(task.send, Settlement(Billing.NONE, "task_failed"))
    new = await worker.take()
    assert new.generation.id != claim.generation.id
    assert new.generation.task is None


async def test_a_second_call_forgets_the_task_of_the_first(catalog, worker):
    """Only the task of the last call can have its image."""
    claim = await worker.take()
    first = Task("t-1", await worker.send(claim))
    await catalog.record_task(claim.generation.id, first)
    await catalog.settle_send(first.send, Settlement(Billing.NONE, "task_failed"))
    second = Task("t-2", await worker.send(claim))
    await catalog.record_task(claim.generation.id, second)
    await catalog.settle_send(first.send, Settlement(Billing.NONE, "task_failed"))  # settled late
    await catalog.release(claim)
    assert (await worker.take()).generation.task == second


async def test_a_late_answer_does_not_undo_a_stored_image(catalog, worker):
    """Two workers may have asked for the same task, if nobody knows whether one is alive."""
    claim = await worker.take()
    await worker.keep(claim)
    late = ProviderAnswer(LINK, time.time() + 3600, "r-1")
    (send,) = await catalog.list_sends(claim.generation.id)
    assert send.billing is Billing.BILLED
    await catalog.record_answer(claim.generation.id, late, send=1, settlement=BILLED)
    assert isinstance(await worker.take(), CatalogHit)


async def test_a_hundred_callers_at_once_get_one_claim(open_worker):
    """The callers use several connections at the same moment."""
    workers = [open_worker() for _ in range(4)]
    taken = await asyncio.gather(*(workers[number % 4].take() for number in range(100)))
    assert [isinstance(each, Claim) for each in taken].count(True) == 1


async def test_a_cancelled_write_is_written(catalog, worker):
    """Even a pending write must reach the journal, because it may be paid."""
    claim = await worker.take()
    number = await worker.send(claim)
    made = ProviderAnswer(LINK, time.time() + 3600, "r-1")
    busy = [asyncio.create_task(catalog.list_images(limit=1)) for _ in range(50)]
    writing = asyncio.create_task(
        catalog.record_answer(claim.generation.id, made, send=number, settlement=BILLED)
    )
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await asyncio.gather(*busy)
    await catalog.release(claim)
    assert (await worker.take()).generation.answer == made


async def test_a_cancelled_claim_is_released(worker):
    """Otherwise workers would wait for a claim without a holder."""
    for _ in range(20):
        taking = asyncio.create_task(worker.take())
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
    assert isinstance(await worker.take(), Claim)


async def test_close_finishes_pending_work_and_may_be_called_twice(open_worker):
    """Every write is there when the catalog is opened again."""
    worker = open_worker()
    claim = await worker.take()
    await worker.catalog.close()
    await worker.catalog.close()
    with pytest.raises(CatalogError, match="closed"):
        await worker.take()
    assert await open_worker().catalog.renew(claim, lease_seconds=LEASE_SECONDS)


async def test_a_catalog_that_was_never_used_closes(open_worker):
    """Closing needs no database."""
    await open_worker().catalog.close()
