"""A payer's daily budget, on a ledger made by hand."""

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
    """Other payers' calls don't count; the daily cap counts all calls."""
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


async def test_a_payers_claim_reserves_its_price(till: Till):
    """Only for the payer until it is released, then for the payer who takes it over."""
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
    """A possibly billed call counts as billed."""
    caps = Caps(payer="film", payer_day_usd=1.5 * PRICE_USD)
    claim = await till.claim("a", caps)
    await till.send(claim, Billing.NONE, caps)
    await till.send(claim, Billing.POSSIBLE, caps)
    with pytest.raises(BudgetExceeded, match="key film"):
        await till.send(claim, Billing.NONE, caps)


async def test_a_payers_budget_resets_at_midnight_utc(till: Till, clock: Clock):
    """Like the daily budget; simulated bills of the sandbox count separately."""
    caps = Caps(payer="film", payer_day_usd=PRICE_USD)
    await till.buy("play", caps, provider="sandbox")
    await till.buy("a", caps)
    with pytest.raises(BudgetExceeded, match="2026-11-20"):
        await till.claim("b", caps)
    clock.now = SATURDAY
    await till.buy("b", caps)


async def test_a_payer_without_a_budget_is_counted_but_not_capped(till: Till):
    """A budget that is set later counts earlier calls."""
    for key in ("a", "b"):
        await till.buy(key, Caps(payer="film"))
    with pytest.raises(BudgetExceeded, match=r"0\.15 USD are spent"):
        await till.claim("c", Caps(payer="film", payer_day_usd=2 * PRICE_USD))


def buy_for_one_payer(path: Path, worker: int) -> int:
    """Buy ten images at once under a payer's budget of 7; return how many were allowed."""

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


def test_processes_share_a_payers_budget(tmp_path: Path):
    """Two processes want 20 images with a budget for 7: exactly 7 are allowed."""
    path = tmp_path / "stills.db"
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(buy_for_one_payer, path, worker) for worker in range(2)]
        assert sum(each.result(timeout=60) for each in running) == 7
