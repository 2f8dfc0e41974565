"""What every Catalog resumes, and what it leaves alone, if several workers were interrupted."""

import time

import pytest

from stills.contract.errors import Billing
from stills.contract.generation import Claim, ProviderAnswer, Settlement, Stage
from stills.contract.size import Size

SPOOLED = {"sha256": "ab" * 32, "byte_count": 9, "spool_url": "file:///a.png"}
BILLED = Settlement(Billing.BILLED, "answered", "r-1")


async def test_the_newest_of_several_unfinished_images_is_resumed(catalog, worker):
    """It is the one that was asked for last."""
    for fresh in (False, True):
        claim = await worker.take(fresh=fresh)
        await worker.answer(claim)
        await catalog.release(claim)
    assert (await worker.take()).generation.id == claim.generation.id


async def test_a_late_answer_does_not_undo_a_spooled_image(catalog, worker):
    """Its image needs no link any more."""
    claim = await worker.take()
    answer = await worker.answer(claim)
    await catalog.record_spooled(claim.generation.id, **SPOOLED)
    late = ProviderAnswer(answer.image_url, time.time() + 3600.0, "r-1")
    await catalog.record_answer(claim.generation.id, late, send=1, settlement=BILLED)
    await catalog.release(claim)
    assert (await worker.take()).generation.stage is Stage.SPOOLED


async def test_a_dead_link_says_nothing_about_other_images(catalog, worker, spec):
    """Each has its own link."""
    dead, other = await worker.take(), await worker.take(spec("k2"))
    answers = [await worker.answer(claim) for claim in (dead, other)]
    await catalog.record_link_dead(dead.generation.id)
    await catalog.release(other)
    assert (await worker.take(spec("k2"))).generation.answer == answers[1]


async def test_what_every_interrupted_worker_left_is_listed_once(catalog, worker, spec):
    """Page by page, the oldest first, and only if no process works on it."""
    left = []
    for number, stage in enumerate(("sent", "answered", "spooled", "claimed", "answered", "sent")):
        claim = await worker.take(spec(f"k{number}"))
        if stage == "sent":
            await worker.send(claim)
        elif stage != "claimed":
            await worker.answer(claim)
        if stage == "spooled":
            await catalog.record_spooled(claim.generation.id, **SPOOLED)
        await catalog.release(claim)
        if stage != "claimed":
            left.append(claim.generation.id)
    assert isinstance(await worker.take(spec("k1")), Claim)
    expected = [left[0], *left[2:]]
    listed = [each.id for each in await catalog.list_unfinished()]
    assert listed == expected
    after = [each.id for each in await catalog.list_unfinished(after=expected[1])]
    assert after == expected[2:]
    assert list(await catalog.list_unfinished(after=expected[-1])) == []


@pytest.mark.parametrize("size", [Size(512, 1328), Size(1328, 512)])
async def test_an_image_of_one_equal_side_is_not_the_requested_one(catalog, worker, spec, size):
    """Of the same image or of another."""
    for key in ("k", "k2"):
        await worker.keep(await worker.take(spec(key)))
    assert (await catalog.find("k", size)).rendition is None
