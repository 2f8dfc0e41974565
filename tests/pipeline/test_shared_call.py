"""One call that several requests wait for: which is billed, and the errors."""

import asyncio
from dataclasses import replace

import pytest

from stills.contract.errors import Billing, LinkDead, StillsError, StoreRefused
from stills.contract.request import ImageRequest
from stills.sandbox import Fault, FaultKind
from stills.store import FolderStore

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7)
SLOW = Fault(FaultKind.SLOW, delay_seconds=0.3)


async def request_together(stills, count: int) -> list[StillsError]:
    """Request the same image at the same time; returns the errors."""
    asked = (stills.generate(KITE, model="qwen-image-2.0") for _ in range(count))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, StillsError) for error in errors)
    return errors


@pytest.mark.parametrize(
    ("fault", "code"), [(FaultKind.DEAD_URL, "link_dead"), (FaultKind.NOT_A_PNG, "damaged_image")]
)
async def test_only_the_request_that_began_a_shared_call_is_billed(stills, sandbox, fault, code):
    """The others' errors say that another request pays."""
    sandbox.set_faults(SLOW, Fault(fault, times=None))
    sender, *others = await request_together(stills, 3)
    assert sandbox.ledger.billed_images == 1
    assert {error.code for error in (sender, *others)} == {code}
    assert (sender.billing, sender.shared_billing) == (Billing.BILLED, Billing.NONE)
    for error in others:
        assert (error.billing, error.shared_billing) == (Billing.NONE, Billing.BILLED)
        assert "an equal request made this call and pays for it" in error.message
        assert "an equal request" not in sender.message


async def test_a_deadline_bills_only_the_request_that_began_the_call(make_stills, sandbox, fast):
    """No error suggests retrying a call that may be billed."""
    stills = await make_stills(policy=replace(fast, deadline_seconds=2.0))
    sandbox.set_faults(Fault(FaultKind.SLOW, delay_seconds=30.0))
    sender, *others = await request_together(stills, 3)
    assert sender.billing is Billing.POSSIBLE
    assert [error.billing for error in others] == [Billing.NONE] * 2
    assert [error.shared_billing for error in others] == [Billing.POSSIBLE] * 2
    assert not any(error.can_repeat for error in (sender, *others))


class RefusesRenditions(FolderStore):
    """A store that takes only generations, which come with a sidecar."""

    async def put(self, path, data, *, preceded_by=None):
        if path.endswith(".png") and preceded_by is None:
            raise StoreRefused("no space left")
        await super().put(path, data, preceded_by=preceded_by)


async def test_a_rendition_that_fails_bills_only_the_request_that_sent(
    make_stills, sandbox, tmp_path
):
    """Two sizes of one generation: it is stored and billed once."""
    stills = await make_stills(store=RefusesRenditions(tmp_path / "images"))
    sandbox.set_faults(SLOW)
    sizes = ("512*512", "256*256")
    sender, waiter = await asyncio.gather(
        *(stills.generate(replace(KITE, size=size)) for size in sizes), return_exceptions=True
    )
    assert isinstance(sender, StoreRefused)
    assert isinstance(waiter, StoreRefused)
    assert (sender.billing, waiter.billing) == (Billing.BILLED, Billing.NONE)
    assert sandbox.ledger.billed_images == 1


async def test_a_rendition_that_fails_after_a_free_download_is_not_billed(
    make_stills, sandbox, tmp_path
):
    """The earlier request paid, and its error said so."""
    stills = await make_stills(store=RefusesRenditions(tmp_path / "images"))
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead) as paid:
        await stills.generate(KITE)
    sandbox.set_faults()
    with pytest.raises(StoreRefused) as free:
        await stills.generate(KITE)
    assert (paid.value.billing, free.value.billing) == (Billing.BILLED, Billing.NONE)
    assert sandbox.ledger.billed_images == 1
