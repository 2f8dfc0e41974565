"""Several images of one request, on the real SDK and a sandbox."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from stills.app import Stills
from stills.contract.errors import BudgetExceeded, ContentRefused, InvalidRequest
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7)
UNSEEDED = replace(KITE, seed=None)


async def test_takes_are_images_of_their_own_with_consecutive_seeds(
    stills: Stills, sandbox: Sandbox
):
    """The first is the image that the request gets without takes."""
    single = await stills.generate(KITE)
    results = await stills.generate_takes(KITE, takes=3)
    assert [result.seed for result in results] == [7, 8, 9]
    assert len({result.id for result in results}) == 3
    assert results[0].id == single.id
    assert [result.cached for result in results] == [True, False, False]
    assert sandbox.ledger.billed_images == 3


async def test_more_takes_pay_only_for_the_new_ones(stills: Stills, sandbox: Sandbox):
    """Asking again, or for fewer, is free."""
    some = await stills.generate_takes(KITE, takes=2)
    more = await stills.generate_takes(KITE, takes=4)
    assert [one.id for one in more[:2]] == [one.id for one in some]
    assert [one.id for one in await stills.generate_takes(KITE, takes=3)] == [
        one.id for one in more[:3]
    ]
    assert sandbox.ledger.billed_images == 4


async def test_takes_without_a_seed_count_up_from_the_stored_image(
    stills: Stills, sandbox: Sandbox
):
    """The request may have been answered without takes before."""
    single = await stills.generate(UNSEEDED)
    results = await stills.generate_takes(UNSEEDED, takes=3)
    assert results[0].id == single.id
    assert [one.seed for one in results] == [(single.seed + n) % 2**31 for n in range(3)]
    assert sandbox.ledger.billed_images == 3


async def test_takes_without_a_seed_are_the_same_for_all_who_ask(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """Two processes that ask at the same time pay for each image once."""
    one, other = await make_stills(), await make_stills()
    answers = await asyncio.gather(
        one.generate_takes(UNSEEDED, takes=3), other.generate_takes(UNSEEDED, takes=3)
    )
    first, second = ([result.id for result in results] for results in answers)
    assert first == second
    assert sandbox.ledger.billed_images == 3


async def test_takes_without_a_seed_have_the_same_seeds_in_every_version(stills: Stills):
    """With others, an upgrade would pay for all of them again."""
    results = await stills.generate_takes(UNSEEDED, takes=2)
    assert [result.seed for result in results] == [1887832372, 1887832373]


async def test_takes_stay_the_same_if_the_first_one_failed(stills: Stills, sandbox: Sandbox):
    """The second attempt sends only what is missing."""
    sandbox.set_faults(Fault(FaultKind.CONTENT_REFUSED))
    with pytest.raises(ContentRefused, match="2 of 3 images are stored"):
        await stills.generate_takes(UNSEEDED, takes=3)
    results = await stills.generate_takes(UNSEEDED, takes=3)
    assert [result.cached for result in results].count(True) == 2
    assert sandbox.ledger.billed_images == 3


async def test_fresh_takes_are_new_images(stills: Stills, sandbox: Sandbox):
    """Asking again without `fresh` returns the newest."""
    old = await stills.generate_takes(UNSEEDED, takes=2)
    new = await stills.generate_takes(UNSEEDED, takes=2, fresh=True)
    assert not {one.id for one in old} & {one.id for one in new}
    assert [one.id for one in await stills.generate_takes(UNSEEDED, takes=2)] == [
        one.id for one in new
    ]
    assert sandbox.ledger.billed_images == 4


async def test_all_takes_are_sent_at_once(make_stills: Callable[..., object], sandbox: Sandbox):
    """No call waits for another's answer."""
    sandbox.set_faults(Fault(FaultKind.SLOW, times=None, delay_seconds=0.5))
    stills = await make_stills()
    asked = asyncio.create_task(stills.generate_takes(UNSEEDED, takes=4))
    while sandbox.ledger.billed_images < 4:
        await asyncio.sleep(0.01)
    assert not any(send.finished for send in sandbox.ledger.generations)
    assert len(await asked) == 4


async def test_the_maximum_cost_covers_all_new_takes(stills: Stills, sandbox: Sandbox):
    """Nothing is sent if they could cost more together; stored ones cost nothing."""
    await stills.generate(KITE)
    with pytest.raises(BudgetExceeded, match=r"2 new images share .* 0\.07 USD each"):
        await stills.generate_takes(KITE, takes=3, max_cost_usd=0.14)
    assert sandbox.ledger.billed_images == 1
    assert len(await stills.generate_takes(KITE, takes=3, max_cost_usd=0.15)) == 3


async def test_one_new_take_may_cost_the_whole_maximum(stills: Stills, sandbox: Sandbox):
    """The stored ones have no share; a maximum that is too small is not said to be shared."""
    await stills.generate_takes(KITE, takes=2)
    with pytest.raises(BudgetExceeded) as caught:
        await stills.generate_takes(KITE, takes=3, max_cost_usd=0.07)
    assert "share" not in caught.value.message
    await stills.generate_takes(KITE, takes=3, max_cost_usd=0.075)
    assert sandbox.ledger.billed_images == 3


async def test_fresh_takes_share_the_maximum_cost(stills: Stills, sandbox: Sandbox):
    """All of them are new, whatever is stored."""
    await stills.generate_takes(KITE, takes=2)
    with pytest.raises(BudgetExceeded, match="2 new images share"):
        await stills.generate_takes(KITE, takes=2, max_cost_usd=0.14, fresh=True)
    assert sandbox.ledger.billed_images == 2


async def test_the_shares_of_the_maximum_cost_never_exceed_it(
    make_stills: Callable[..., object], sandbox: Sandbox
):
    """Three images at this price cost a billionth more than the maximum."""
    stills = await make_stills(price_usd=0.066666667)
    with pytest.raises(BudgetExceeded):
        await stills.generate_takes(KITE, takes=3, max_cost_usd=0.2)
    assert not sandbox.ledger.generations
    assert len(await stills.generate_takes(KITE, takes=3, max_cost_usd=0.200000001)) == 3


async def test_stages_come_with_the_number_of_the_take(stills: Stills):
    """A caller can follow each take."""
    seen: list[tuple[int, Stage]] = []
    await stills.generate_takes(KITE, takes=2, on_stage=lambda *stage: seen.append(stage))
    for take in (0, 1):
        assert [stage for number, stage in seen if number == take] == [
            Stage.CLAIMED,
            Stage.SENT,
            Stage.ANSWERED,
            Stage.KEPT,
        ]


async def test_an_invalid_number_of_takes_sends_nothing(stills: Stills, sandbox: Sandbox):
    """The field is named."""
    with pytest.raises(InvalidRequest, match="takes"):
        await stills.generate_takes(KITE, takes=17)
    assert not sandbox.ledger.generations
