"""Answers that many callers, and several processes, count at once."""

import asyncio

from tests.support.catalog_steps import SIZE, Till, asked, spec

from stills.catalog.postgres import PostgresCatalog
from stills.catalog.postgres.answers import record_answers
from stills.catalog.postgres.connection import PostgresConnection, connect
from stills.contract.generation import Claim, Rendition
from stills.contract.money import Caps

_IS_WAITING = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"


async def store(catalog: PostgresCatalog, key: str) -> Rendition:
    """Store an image that was never requested."""
    claim = await catalog.claim(spec(key), SIZE, lease_seconds=60.0, fresh=False, caps=Caps())
    assert isinstance(claim, Claim)
    kept = {"sha256": "ab" * 32, "byte_count": 9, "object_path": f"{claim.generation.id}.png"}
    generation = await catalog.record_kept(claim.generation.id, **kept)
    rendition = Rendition(generation.id, SIZE, **kept)
    await catalog.adopt(generation, [rendition])
    return rendition


async def test_two_processes_do_not_both_count_a_first_answer_as_the_paid_one(postgres_url):
    """The second one waits until the first has counted its answer, though their requests differ."""
    catalog = PostgresCatalog(postgres_url)
    rendition = await store(catalog, "k")
    first, second, observer = (connect(postgres_url) for _ in range(3))

    def count(connection: PostgresConnection, prompt: str) -> None:
        connection.execute("BEGIN")
        record_answers(connection, [(rendition, asked(prompt))] * 2)
        connection.finish()

    count(first, "a kite")
    later = asyncio.create_task(asyncio.to_thread(count, second, "a red kite"))
    while not later.done() and not observer.execute(_IS_WAITING).fetchone()[0]:
        await asyncio.sleep(0.01)
    first.run_script("COMMIT")
    await later
    second.run_script("COMMIT")
    counted = observer.execute("SELECT sum(paid) AS paid, sum(cached) AS cached FROM answers")
    assert list(counted.fetchone()) == [1, 3]
    (line,) = await catalog.spend(since=0.0, by=None)
    assert line.saved == 3
    for connection in (first, second, observer):
        connection.close()
    await catalog.close()


async def test_saved_images_of_several_prices_are_added_up_together(postgres_url):
    """Each at its own price, also those without one."""
    catalog = PostgresCatalog(postgres_url)
    till = Till(catalog)
    prices = [0.075, 0.5, None]
    bought = [await till.buy(f"k{n}", price_usd=price) for n, price in enumerate(prices)]
    again = [(one, asked(f"k{n}")) for n, one in enumerate(bought)]
    await catalog.record_requests([*again, *again, again[0]])
    (line,) = await till.lines()
    assert (line.saved, line.saved_unpriced) == (7, 2)
    assert round(line.saved_usd, 6) == round(3 * 0.075 + 2 * 0.5, 6)
    await catalog.close()
