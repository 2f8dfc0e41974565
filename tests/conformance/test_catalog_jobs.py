"""What every catalog promises about the calls of durable jobs."""

import pytest

from stills.contract.errors import Billing, BudgetExceeded, CallInterrupted
from stills.contract.generation import Claim, Settlement
from stills.contract.money import Caps, JobBudget
from stills.contract.size import Size
from stills.contract.spending import JobSpend

NATIVE = Size(1328, 1328)
SECONDS = 60.0


def caps(usd: float | None = None, *, accepted: int = 0, job: str = "job-1") -> Caps:
    return Caps(job=JobBudget(job, usd, accepted))


async def claim(catalog, spec, job_caps: Caps) -> Claim:
    return await catalog.claim(spec, NATIVE, lease_seconds=SECONDS, fresh=False, caps=job_caps)


async def send(catalog, claimed: Claim, job_caps: Caps) -> int:
    (number,) = await catalog.record_sends([claimed], lease_seconds=SECONDS, caps=job_caps)
    return number


async def test_a_job_stops_exactly_at_its_cap(catalog, spec):
    """Claimed, sent and billed images count, and only those of this job."""
    within = caps(0.225)  # three images
    billed = await claim(catalog, spec("a"), within)
    number = await send(catalog, billed, within)
    await catalog.settle_send(number, Settlement(Billing.BILLED, "answered"))
    await send(catalog, await claim(catalog, spec("b"), within), within)
    await claim(catalog, spec("c"), within)
    with pytest.raises(BudgetExceeded, match="job-1"):
        await claim(catalog, spec("d"), within)
    other = caps(0.075, job="job-2")
    await send(catalog, await claim(catalog, spec("d"), other), other)


async def test_an_unpaid_call_makes_room(catalog, spec):
    """What was certainly not billed no longer counts."""
    within = caps(0.075)
    failed = await claim(catalog, spec("a"), within)
    number = await send(catalog, failed, within)
    await catalog.settle_send(number, Settlement(Billing.NONE, "content_refused"))
    await catalog.release(failed)
    await send(catalog, await claim(catalog, spec("b"), within), within)


async def test_the_spending_of_a_job_is_known(catalog, spec):
    """Billed and possibly billed images, with and without a price."""
    free = caps()
    for key, price in (("a", 0.075), ("b", None)):
        number = await send(catalog, await claim(catalog, spec(key, price_usd=price), free), free)
        await catalog.settle_send(number, Settlement(Billing.BILLED, "answered"))
    for key, price in (("c", 0.075), ("d", None), ("e", None)):
        await send(catalog, await claim(catalog, spec(key, price_usd=price), free), free)
    assert await catalog.job_spend("job-1") == JobSpend(2, 0.075, 1, 3, 0.075, 2)
    assert await catalog.job_spend("job-2") == JobSpend()


async def test_a_job_does_not_repeat_an_interrupted_call(worker, spec):
    """Its outcome is unknown; another request, or an owner who accepts that, pays again."""
    catalog = worker.catalog
    cut_off = await claim(catalog, spec("a"), caps())
    await send(catalog, cut_off, caps())
    await worker.lapse(cut_off)
    await catalog.release(cut_off)  # as the next worker finds it
    again = await claim(catalog, spec("a"), caps())
    with pytest.raises(CallInterrupted) as caught:
        await send(catalog, again, caps())
    assert caught.value.outcome_unknown
    await send(catalog, again, caps(accepted=1))
    await catalog.release(again)
    other = caps(job="job-2")
    await send(catalog, await claim(catalog, spec("a"), other), other)
