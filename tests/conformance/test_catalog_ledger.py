"""What every Catalog's ledger says when calls, claims and images end in an unusual order."""

from dataclasses import replace

import pytest

from stills.contract.errors import Billing, BudgetExceeded
from stills.contract.generation import Claim, Settlement, Task
from stills.contract.money import Caps
from stills.contract.size import Size

NATIVE = Size(1328, 1328)
SECONDS = 60.0
FILE = {"sha256": "ab" * 32, "byte_count": 9}
LOST = Settlement(Billing.POSSIBLE, "connection_lost")


async def make(catalog, claim: Claim, stage: str) -> None:
    """Let the image of a claim reach a stage, or be found in the store."""
    made = claim.generation.id
    if stage == "kept":
        await catalog.record_kept(made, **FILE, object_path="a.png")
    elif stage == "spooled":
        await catalog.record_spooled(made, **FILE, spool_url="file:///a.png")
    else:
        await catalog.adopt(replace(claim.generation, **FILE, object_path="a.png"), [])


@pytest.mark.parametrize("stage", ["kept", "spooled", "adopted"])
async def test_an_image_settles_the_last_call_for_it_and_no_other(catalog, worker, spec, stage):
    """A later call for another image is still open."""
    claim, other = await worker.take(), await worker.take(spec("k2"))
    for each in (claim, other):
        await worker.send(each)
    await make(catalog, claim, stage)
    (settled,) = await catalog.list_sends(claim.generation.id)
    assert (settled.billing, settled.code) == (Billing.BILLED, stage)
    (still_open,) = await catalog.list_sends(other.generation.id)
    assert (still_open.billing, still_open.settled_at) == (Billing.POSSIBLE, None)


@pytest.mark.parametrize("stage", ["kept", "spooled"])
async def test_a_call_that_lost_its_outcome_after_its_image_was_made_is_billed(
    catalog, worker, stage
):
    """Two processes may have worked on it, and the slower one lost its connection."""
    claim = await worker.take()
    number = await worker.send(claim)
    await make(catalog, claim, stage)
    await catalog.settle_send(number, LOST)
    assert list(await catalog.settle_paid()) == [claim.generation.id]
    (call,) = await catalog.list_sends(claim.generation.id)
    assert (call.billing, call.code) == (Billing.BILLED, "recovered")
    assert list(await catalog.settle_paid()) == []


async def test_a_call_for_several_images_needs_all_their_claims(catalog, worker, spec):
    """If another worker has taken one of them over, nothing is sent or on the ledger."""
    claims = [await worker.take(spec(key)) for key in ("a", "b", "c")]
    await worker.lapse(claims[1])
    await worker.take(spec("b"))
    assert await catalog.record_sends(claims, lease_seconds=SECONDS, caps=Caps()) is None
    assert [list(await catalog.list_sends(each.generation.id)) for each in claims] == [[], [], []]


async def test_a_stored_image_ends_its_claim(catalog, worker, open_worker):
    """A process that is killed before it releases the claim blocks nobody."""
    other = open_worker()
    claim = await worker.take()
    await worker.answer(claim)
    await make(catalog, claim, "kept")
    assert (await other.take()).generation.id == claim.generation.id


async def test_a_late_release_frees_no_price_of_the_next_holder(catalog, worker, spec):
    """Who has taken over the task of a lost claim may have to pay for the image again."""
    late = await worker.take()
    task = Task("t-1", await worker.send(late))
    await catalog.record_task(late.generation.id, task)
    await worker.lapse(late)
    await catalog.settle_send(task.send, LOST)
    await catalog.record_task(late.generation.id, task)
    heir = await worker.take()
    assert heir.generation.id == late.generation.id
    await catalog.settle_send(task.send, Settlement(Billing.NONE, "task_failed"))
    await catalog.release(late)
    with pytest.raises(BudgetExceeded, match="reserved"):
        await catalog.claim(
            spec("b"), NATIVE, lease_seconds=SECONDS, fresh=False, caps=Caps(day_usd=0.075)
        )
