"""What one payer may spend on a day, worked out on a ledger made by hand."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from tests.support.catalog_steps import PRICE_USD, SATURDAY, Clock, Till

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, BudgetExceeded
from stills.contract.money import Caps


async def test_a_payer_s_budget_counts_only_its_own_calls(till: Till):
    """Those of others, and of nobody, are not in it; the day's cap counts them all."""
    film = Caps(payer="film", payer_day_usd=2 * PRICE_USD)
    await till.buy("a", film)
    await till.buy("b", Caps(payer="agent", payer_day_usd=PRICE_USD))
    await till.buy("c")
    await till.buy("d", film)
    with pytest.raises(BudgetExceeded, match=r"key film on .*0\.15 USD are spent") as caught:
        await till.claim("e", film)
    assert "midnight UTC" in caught.value.action
    with pytest.raises(BudgetExceeded, match=r"0\.30 USD are spent"):
        await till.claim("e", Caps(day_usd=4 * PRICE_USD, payer="agent"))


async def test_a_payer_s_claim_reserves_its_price(till: Till):
    """Only for this payer, until it is released, and for the payer that took it over."""
    film, agent = (Caps(payer=name, payer_day_usd=PRICE_USD) for name in ("film", "agent"))
    first = await till.claim("a", film)
    with pytest.raises(BudgetExceeded, match="reserved"):
        await till.claim("b", film)
    await till.catalog.renew(first, lease_seconds=-1.0)
    await till.claim("a", agent)
    with pytest.raises(BudgetExceeded, match="key agent"):
        await till.claim("b", agent)
    await till.claim("b", film)


async def test_a_second_send_counts_towards_its_payer(till: Till):
    """What may be billed is counted as if it were."""
    caps = Caps(payer="film", payer_day_usd=1.5 * PRICE_USD)
    claim = await till.claim("a", caps)
    await till.send(claim, Billing.NONE, caps)
    await till.send(claim, Billing.POSSIBLE, caps)
    with pytest.raises(BudgetExceeded, match="key film"):
        await till.send(claim, Billing.NONE, caps)


async def test_a_payer_s_budget_is_new_at_midnight_utc(till: Till, clock: Clock):
    """Like the daily budget; simulated bills of the sandbox count separately."""
    caps = Caps(payer="film", payer_day_usd=PRICE_USD)
    await till.buy("play", caps, provider="sandbox")
    await till.buy("a", caps)
    with pytest.raises(BudgetExceeded, match="2026-11-20"):
        await till.claim("b", caps)
    clock.now = SATURDAY
    await till.buy("b", caps)


async def test_a_payer_without_a_budget_is_counted_and_not_capped(till: Till):
    """A budget given later counts what was sent before."""
    for key in ("a", "b"):
        await till.buy(key, Caps(payer="film"))
    with pytest.raises(BudgetExceeded, match=r"0\.15 USD are spent"):
        await till.claim("c", Caps(payer="film", payer_day_usd=2 * PRICE_USD))


def buy_for_one_payer(path: Path, worker: int) -> int:
    """Buy ten images at once under a payer's budget of 7; returns how many were allowed."""

    async def run() -> int:
        till = Till(SqliteCatalog(path))
        caps = Caps(payer="film", payer_day_usd=7 * PRICE_USD)

        async def buy(number: int) -> bool:
            await till.buy(f"free {worker}-{number}")  # calls without a payer don't count
            try:
                await till.buy(f"{worker}-{number}", caps)
            except BudgetExceeded:
                return False
            return True

        bought = await asyncio.gather(*(buy(number) for number in range(10)))
        await till.catalog.close()
        return sum(bought)

    return asyncio.run(run())


def test_processes_share_one_payer_s_budget(tmp_path: Path):
    """Two race for it, 20 images wanted, 7 allowed: 7 are let through, never 8."""
    path = tmp_path / "stills.db"
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(buy_for_one_payer, path, worker) for worker in range(2)]
        assert sum(each.result(timeout=60) for each in running) == 7
