"""New images with a fresh key in every Catalog: each is started once."""

from typing import Any

import pytest

from stills.contract.errors import Billing
from stills.contract.generation import CatalogHit, Claim, Held, Settlement, Task

ONE: dict[str, Any] = {"fresh": True, "fresh_key": "one"}
TWO: dict[str, Any] = {"fresh": True, "fresh_key": "two"}


async def test_a_stored_image_is_found_by_its_fresh_key_only(worker):
    """Another key, and a fresh request without one, start a generation."""
    await worker.keep(await worker.take())
    claim = await worker.take(**ONE)
    assert isinstance(claim, Claim)
    await worker.keep(claim)
    newest = await worker.take(**TWO)
    assert isinstance(newest, Claim)
    await worker.keep(newest)
    again = await worker.take(**ONE)
    assert isinstance(again, CatalogHit)
    assert again.generation.id == claim.generation.id
    assert isinstance(await worker.take(fresh=True), Claim)


async def test_an_image_of_another_request_has_not_the_key(worker, spec):
    """The key counts together with the generation key."""
    await worker.keep(await worker.take(**ONE))
    assert isinstance(await worker.take(spec("k2"), **ONE), Claim)


async def test_the_others_wait_while_one_works(open_worker):
    """Also those with another key, as always."""
    one, other = open_worker(), open_worker()
    await one.take(**ONE)
    assert isinstance(await other.take(**ONE), Held)
    assert isinstance(await other.take(**TWO), Held)


@pytest.mark.parametrize("left_as", ["answered", "a task"])
async def test_an_interrupted_one_is_resumed_with_its_key(catalog, worker, left_as: str):
    """What was paid for is not paid for again; another key leaves it alone."""
    claim = await worker.take(**ONE)
    if left_as == "answered":
        await worker.answer(claim)
    else:
        await catalog.record_task(
            claim.generation.id, Task("t-1", await worker.send(claim), image=0)
        )
    await catalog.release(claim)
    other = await worker.take(**TWO)
    assert other.generation.id != claim.generation.id
    await catalog.release(other)
    resumed = await worker.take(**ONE)
    assert resumed.generation.id == claim.generation.id
    await catalog.release(resumed)
    assert (await worker.take()).generation.id == claim.generation.id


@pytest.mark.parametrize(("again", "is_looked_for"), [(ONE, True), (TWO, False), ({}, True)])
async def test_an_image_left_in_the_store_is_looked_for_with_its_key(
    catalog, worker, again: dict[str, Any], is_looked_for: bool
):
    """Its process ended after the send, and may have stored it."""
    sent = await worker.take(**ONE)
    await catalog.settle_send(await worker.send(sent), Settlement(Billing.POSSIBLE, "interrupted"))
    await worker.lapse(sent)
    heir = await worker.take(**again)
    assert heir.cut_off == ((sent.generation.id,) if is_looked_for else ())
