"""Spending and caps, on a ledger made by hand."""

import asyncio
import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.catalog_steps import FRIDAY, PRICE_USD, SATURDAY, SIZE, Clock, Till, asked, spec

from stills.catalog import SqliteCatalog, schema, spending
from stills.contract.errors import Billing, BudgetExceeded
from stills.contract.generation import CatalogHit, ProviderAnswer, Settlement
from stills.contract.money import Caps
from stills.contract.spending import SpendBy, SpendLine


def usd(number: float) -> Any:
    return pytest.approx(number, abs=1e-9)


# What was spent


async def test_nothing_spent_has_no_lines(till: Till):
    """There is no line of zeros."""
    assert await till.lines() == []


async def test_billed_possible_and_saved_are_counted_and_valued(till: Till):
    """Failed calls cost nothing and appear in no line."""
    rendition = await till.buy("a")
    for _ in range(4):
        await till.catalog.record_requests([(rendition, asked("a"))])
    lost = await till.claim("b")
    for billing in (Billing.NONE, Billing.POSSIBLE, Billing.POSSIBLE, None):
        await till.send(lost, billing)
    assert await till.lines() == [
        SpendLine("dashscope", "", 1, usd(0.075), 3, usd(0.225), 4, usd(0.300), 0)
    ]


async def test_the_sandbox_has_its_own_line(till: Till):
    """Simulated bills are never added to real ones."""
    await till.buy("a")
    await till.buy("b", provider="sandbox")
    await till.buy("c", provider="sandbox")
    lines = {line.provider: (line.billed, line.billed_usd) for line in await till.lines()}
    assert lines == {"dashscope": (1, usd(0.075)), "sandbox": (2, usd(0.150))}


async def test_images_of_unknown_price_are_counted_apart(till: Till):
    """This holds for billed, possible and saved images."""
    rendition = await till.buy("a", price_usd=None, model="qwen-image-3.0")
    await till.catalog.record_requests([(rendition, asked("a"))])
    await till.send(await till.claim("b", price_usd=None, model="qwen-image-3.0"), None)
    await till.buy("c")
    (line,) = await till.lines()
    assert (line.billed, line.billed_usd) == (2, usd(0.075))
    assert (line.possible_usd, line.saved_usd) == (0.0, 0.0)
    assert line.unpriced == 3
    assert (line.billed_unpriced, line.possible_unpriced, line.saved_unpriced) == (1, 1, 1)


async def test_the_price_is_that_of_the_day_of_the_call(till: Till):
    """A later price doesn't change the past."""
    await till.buy("a", price_usd=0.075)
    await till.buy("b", price_usd=0.020)
    (line,) = await till.lines()
    assert line.billed_usd == usd(0.095)


async def test_spending_is_grouped_by_model_and_style(till: Till):
    """Images without a style are one group."""
    await till.buy("a", style="ink")
    await till.buy("b", style="ink", model="qwen-image-2.0", price_usd=0.035)
    await till.buy("c")
    models = [
        (line.group, line.billed, line.billed_usd) for line in await till.lines(SpendBy.MODEL)
    ]
    assert models == [("qwen-image-2.0", 1, usd(0.035)), ("qwen-image-max", 2, usd(0.15))]
    styles = [
        (line.group, line.billed, line.billed_usd) for line in await till.lines(SpendBy.STYLE)
    ]
    assert styles == [("", 1, usd(0.075)), ("ink", 2, usd(0.110))]


async def test_a_day_is_in_utc_and_savings_count_on_their_own_day(till: Till, clock: Clock):
    """A second before midnight and midnight itself are different days."""
    rendition = await till.buy("a")
    clock.now = SATURDAY
    await till.buy("b")
    await till.catalog.record_requests([(rendition, asked("a"))])
    days = [(line.group, line.billed, line.saved) for line in await till.lines(SpendBy.DAY)]
    assert days == [("2026-11-20", 1, 0), ("2026-11-21", 1, 1)]


async def test_since_leaves_out_earlier_spending(till: Till, clock: Clock):
    """The moment itself is included."""
    rendition = await till.buy("a")
    await till.catalog.record_requests([(rendition, asked("a"))])
    clock.now = SATURDAY
    await till.buy("b")
    assert [(line.billed, line.saved) for line in await till.lines(since=FRIDAY)] == [(2, 1)]
    assert [(line.billed, line.saved) for line in await till.lines(since=SATURDAY)] == [(1, 0)]
    assert await till.lines(since=SATURDAY + 1) == []


# Caps


async def test_a_day_takes_as_many_images_as_the_budget_holds(till: Till):
    """Sums of prices are exact despite floating point."""
    caps = Caps(day_usd=7 * PRICE_USD)
    for number in range(7):
        await till.buy(f"k{number}", caps)
    with pytest.raises(BudgetExceeded, match=r"0\.525 USD for .* \(UTC\).*0\.525 USD are spent"):
        await till.claim("one more", caps)


async def test_a_claim_reserves_its_price_until_it_is_released(till: Till):
    """Another process is refused meanwhile, but not afterwards."""
    caps = Caps(day_usd=PRICE_USD)
    first = await till.claim("a", caps)
    with pytest.raises(BudgetExceeded, match="reserved"):
        await till.claim("b", caps)
    await till.catalog.release(first)
    await till.claim("b", caps)


async def test_a_claim_that_lapsed_reserves_nothing(till: Till):
    """The worker has ended and sent nothing."""
    caps = Caps(day_usd=PRICE_USD)
    dead = await till.claim("a", caps)
    await till.catalog.renew(dead, lease_seconds=-1.0)
    await till.claim("b", caps)


async def test_a_failed_call_frees_its_price_and_a_lost_one_does_not(till: Till):
    """A possibly billed call counts as billed."""
    caps = Caps(day_usd=PRICE_USD)
    failed = await till.claim("a", caps)
    await till.send(failed, Billing.NONE, caps)
    with pytest.raises(BudgetExceeded):
        await till.claim("while it may send again", caps)
    await till.catalog.release(failed)

    lost = await till.claim("b", caps)
    await till.send(lost, Billing.POSSIBLE, caps)
    await till.catalog.release(lost)
    with pytest.raises(BudgetExceeded):
        await till.claim("c", caps)


async def test_a_second_call_is_refused_if_the_first_may_be_billed(till: Till):
    """Both the request's and the day's cap refuse it; nothing is written."""
    for caps in (Caps(request_usd=1.5 * PRICE_USD), Caps(day_usd=2.5 * PRICE_USD)):
        claim = await till.claim(str(caps), caps)
        await till.send(claim, Billing.POSSIBLE, caps)
        with pytest.raises(BudgetExceeded):
            await till.send(claim, Billing.NONE, caps)
        assert len(await till.catalog.list_sends(claim.generation.id)) == 1
        await till.catalog.release(claim)


async def test_a_requests_cap_does_not_count_others(till: Till):
    """Calls that were not billed don't count either."""
    caps = Caps(request_usd=PRICE_USD)
    await till.buy("a", caps)
    claim = await till.claim("b", caps)
    for _ in range(3):
        await till.send(claim, Billing.NONE, caps)


async def test_the_budget_resets_at_midnight_utc(till: Till, clock: Clock):
    """Local time doesn't matter."""
    caps = Caps(day_usd=PRICE_USD)
    await till.buy("a", caps)
    with pytest.raises(BudgetExceeded, match="2026-11-20"):
        await till.claim("b", caps)
    clock.now = SATURDAY
    await till.buy("b", caps)


async def test_the_sandbox_uses_up_no_budget(till: Till):
    """Each provider has a daily budget of its own."""
    caps = Caps(day_usd=PRICE_USD)
    await till.buy("a", caps, provider="sandbox")
    await till.buy("b", caps)


async def test_a_stored_or_half_done_image_is_never_refused(till: Till):
    """A catalog answer and finishing an interrupted job cost nothing."""
    await till.buy("a")
    broke = Caps(day_usd=0.0, request_usd=0.0)
    found = await till.catalog.claim(spec("a"), SIZE, lease_seconds=60.0, fresh=False, caps=broke)
    assert isinstance(found, CatalogHit)

    left = await till.claim("b")
    send = await till.send(left, None)
    answer = ProviderAnswer("https://oss.example/b.png", 4e9, "r")
    paid = Settlement(Billing.BILLED, "answered")
    await till.catalog.record_answer(left.generation.id, answer, send=send, settlement=paid)
    await till.catalog.release(left)
    assert (await till.claim("b", broke)).generation.answer == answer


@pytest.mark.parametrize(
    "caps",
    [Caps(day_usd=9.0), Caps(request_usd=9.0), Caps(payer="film", payer_day_usd=9.0)],
)
async def test_a_cap_needs_a_known_price(till: Till, caps: Caps):
    """The error says what to set; without a cap the price doesn't matter."""
    with pytest.raises(BudgetExceeded, match=r"price of qwen-image-3\.0 is unknown") as caught:
        await till.claim("a", caps, price_usd=None, model="qwen-image-3.0")
    assert "STILLS_PRICE_USD" in caught.value.action
    await till.buy("a", price_usd=None, model="qwen-image-3.0")


@pytest.mark.parametrize("number", [float("nan"), -1.0])
async def test_a_cap_of_nan_allows_nothing(till: Till, number: float):
    """NaN compares with nothing, which must not mean that there is no cap."""
    for caps in (Caps(day_usd=number), Caps(request_usd=number), Caps(payer_day_usd=number)):
        with pytest.raises(BudgetExceeded):
            await till.claim("a", caps)


async def test_a_refusal_leaves_no_trace(till: Till):
    """It leaves neither a claim nor an entry."""
    with pytest.raises(BudgetExceeded):
        await till.claim("a", Caps(day_usd=0.0))
    assert await till.lines() == []
    await till.claim("a")


def claim_under_a_budget(path: Path, worker: int) -> int:
    """Buy ten images at once under a budget of 7; return how many were allowed."""

    async def run() -> int:
        till = Till(SqliteCatalog(path))
        caps = Caps(day_usd=7 * PRICE_USD)

        async def buy(number: int) -> bool:
            try:
                await till.buy(f"{worker}-{number}", caps)
            except BudgetExceeded:
                return False
            return True

        bought = await asyncio.gather(*(buy(number) for number in range(10)))
        await till.catalog.close()
        return sum(bought)

    return asyncio.run(run())


def test_processes_share_one_budget(tmp_path: Path):
    """Four processes want 40 images with a budget for 7: exactly 7 are allowed."""
    path = tmp_path / "stills.db"
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(claim_under_a_budget, path, worker) for worker in range(4)]
        assert sum(each.result(timeout=60) for each in running) == 7


def test_every_grouping_of_spending_has_its_sql():
    """A grouping without it would be a KeyError for the user."""
    assert set(spending.GROUPS) == {None, *SpendBy}


async def test_spending_adds_up_exactly(till: Till):
    """Binary fractions would add noise, such as 0.30000000000000004."""
    for number in range(30):
        await till.buy(f"a{number}", price_usd=0.1)
    await till.buy("b", price_usd=0.000000001)
    (line,) = await till.lines()
    assert line.billed_usd == 3.000000001


async def test_the_error_of_a_cap_names_the_images_that_it_could_not_count(till: Till):
    """They were sent before there was a cap, and have no known price."""
    await till.buy("a", price_usd=None)
    await till.buy("b", price_usd=0.1)
    with pytest.raises(BudgetExceeded, match=r"0\.10 USD plus 1 image of unknown price are spent"):
        await till.claim("c", Caps(day_usd=0.15), price_usd=0.1)


async def test_an_image_of_unknown_price_counts_while_it_is_made(till: Till):
    """Like one that was sent."""
    await till.buy("a", price_usd=None)
    await till.claim("b", price_usd=None)
    with pytest.raises(BudgetExceeded, match=": 2 images of unknown price are spent"):
        await till.claim("c", Caps(day_usd=0.05), price_usd=0.1)


async def test_the_cap_of_a_request_says_how_to_send_it_again(till: Till):
    """If a call for it may be billed; otherwise the image is simply too expensive."""
    caps = Caps(request_usd=PRICE_USD)
    claim = await till.claim("a", caps)
    await till.send(claim, Billing.POSSIBLE, caps)
    with pytest.raises(BudgetExceeded) as again:
        await till.send(claim, None, caps)
    assert "An earlier call may be billed" in again.value.action
    assert "Retry to send the request again, or raise --max-cost" in again.value.action
    with pytest.raises(BudgetExceeded) as first:
        await till.claim("b", caps, price_usd=2 * PRICE_USD)
    assert "earlier call" not in first.value.action


async def test_a_cap_allows_as_many_images_as_it_pays_for(till: Till):
    """0.3 is three times 0.1, unlike in binary fractions."""
    caps = Caps(day_usd=0.3)
    for key in ("a", "b", "c"):
        await till.buy(key, caps, price_usd=0.1)
    with pytest.raises(BudgetExceeded, match=r"cap of 0\.30 USD .* 0\.30 USD are spent"):
        await till.claim("d", caps, price_usd=0.000000001)


def test_prices_of_an_older_catalog_are_exact_after_migration(tmp_path: Path):
    """Binary fractions become exact; an unknown price stays unknown."""
    path = tmp_path / "stills.db"
    prices = {"a": 0.075, "b": 0.1 + 0.2, "c": None, "d": 0.000000001}
    with closing(sqlite3.connect(path)) as connection:
        for script in sorted(schema.MIGRATIONS.glob("*.sql")):
            if script.name.endswith("_nano_usd.sql"):
                break
            connection.executescript(script.read_text())
        version = int(script.name.split("_")[0]) - 1
        connection.executemany(
            "INSERT INTO generations (id, key, seeded_key, provider, model, prompt, text,"
            " native_width, native_height, seed, price_usd, stage, created_at)"
            " VALUES (?, ?, ?, 'dashscope', 'm', 'p', 't', 64, 64, 1, ?, 'failed', 0)",
            [(key, key, key, price) for key, price in prices.items()],
        )
        connection.execute(
            "INSERT INTO api_keys (id, name, digest, day_usd, created_at)"
            " VALUES ('k', 'film', 'd', 0.1, 0)"
        )
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.commit()
    with closing(schema.open_catalog(path)) as migrated:
        rows = migrated.execute("SELECT id, price_nano_usd FROM generations ORDER BY id")
        assert [tuple(row) for row in rows] == [
            ("a", 75_000_000), ("b", 300_000_000), ("c", None), ("d", 1),
        ]  # fmt: skip
        (key,) = migrated.execute("SELECT day_nano_usd FROM api_keys")
        assert key[0] == 100_000_000
