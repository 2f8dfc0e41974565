"""Totals per day: they are those of the ledger, however it came about."""

import sqlite3

from tests.support.catalog_steps import FRIDAY, Clock, Till, asked

from stills.catalog import schema
from stills.contract.errors import Billing
from stills.contract.money import Caps

HOUR = 3600.0


def read_totals(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    rows = connection.execute("SELECT * FROM totals WHERE images != 0 ORDER BY 1, 2, 3, 4, 5, 6")
    return [tuple(row) for row in rows]


def count_again(connection: sqlite3.Connection) -> None:
    """Fill the totals as the migration of an older catalog does."""
    connection.execute("DELETE FROM totals")
    script = (schema.MIGRATIONS / "018_totals.sql").read_text()
    for statement in script.split(";\n")[1:3]:
        assert statement.lstrip().startswith("INSERT INTO totals")
        connection.execute(statement)


async def test_totals_are_those_of_the_ledger(till: Till, clock: Clock):
    """After each kind of call and answer, settled at once or on another day."""
    for number, billing in enumerate((Billing.BILLED, Billing.POSSIBLE, Billing.NONE, None) * 3):
        style, price_usd = ("ink", 0.1) if number % 2 else (None, None)
        payer = Caps(payer="film") if number % 3 else Caps()
        claim = await till.claim(f"k{number}", payer, style=style, price_usd=price_usd)
        await till.send(claim, billing, payer)
        clock.now += 6 * HOUR
        if billing is Billing.NONE:
            await till.send(claim, Billing.BILLED, payer)
    for key, price_usd in (("a", 0.075), ("b", None)):
        rendition = await till.buy(key, price_usd=price_usd)
        for _ in range(3):
            await till.catalog.record_requests([(rendition, asked(key))])
            clock.now += 10 * HOUR
    counted = await till.catalog.database.read(read_totals)
    await till.catalog.database.write(count_again)
    assert counted == await till.catalog.database.read(read_totals)
    assert {row[5] for row in counted} == {"billed", "possible", "saved"}
    assert {row[4] for row in counted} == {"", "film"}


async def test_spending_since_a_moment_counts_the_calls_from_then(till: Till, clock: Clock):
    """Not those from earlier on the same day."""
    noon = FRIDAY + 1 - 12 * HOUR
    for key, hours in (("a", -1), ("b", 1), ("c", 13)):
        clock.now = noon + hours * HOUR
        await till.buy(key)
    for since, billed in ((0.0, 3), (noon - 12 * HOUR, 3), (noon, 2), (noon + 12 * HOUR, 1)):
        (line,) = await till.lines(since=since)
        assert (line.billed, line.unpriced) == (billed, 0)


async def test_spending_since_a_moment_counts_images_of_unknown_price(till: Till, clock: Clock):
    """Billed and possibly billed ones, on the day of that moment."""
    await till.buy("a", price_usd=None)
    await till.send(await till.claim("b", price_usd=None), None)
    (line,) = await till.lines(since=clock.now - HOUR)
    assert (line.billed_unpriced, line.possible_unpriced, line.unpriced) == (1, 1, 2)


async def test_the_first_answer_with_an_image_is_the_paid_one(till: Till, clock: Clock):
    """On its day; all others are saved, on theirs."""
    rendition = await till.buy("a")
    for _ in range(2):
        clock.now += 24 * HOUR
        await till.catalog.record_requests([(rendition, asked("a"))])
    counted = await till.catalog.database.read(
        lambda made: made.execute("SELECT day, paid, cached FROM answers ORDER BY day").fetchall()
    )
    assert [tuple(row) for row in counted] == [
        ("2026-11-20", 1, 0), ("2026-11-21", 0, 1), ("2026-11-22", 0, 1),
    ]  # fmt: skip
