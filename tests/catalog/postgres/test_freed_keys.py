"""Waiting for a key that another process works on, over one connection per process."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.support.catalog_steps import SIZE, Till, spec
from tests.support.postgres_server import run_postgres

from stills.catalog.postgres import PostgresCatalog, database
from stills.catalog.postgres import catalog as postgres_catalog
from stills.contract.errors import CatalogError
from stills.contract.generation import CatalogHit, Claim, Held
from stills.contract.money import Caps
from stills.contract.postgres_url import PostgresUrl

WAIT_SECONDS = 120
_LISTENING = """
FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'
"""


@pytest.fixture
def never_polls(monkeypatch) -> None:
    """Those that wait would not look for themselves before the test ends."""
    monkeypatch.setattr(postgres_catalog, "POLL_SECONDS", 100 * WAIT_SECONDS)


@pytest.fixture
async def catalogs(postgres_url) -> AsyncIterator[tuple[PostgresCatalog, PostgresCatalog]]:
    """The catalog of a process that has claims, and of one that waits for them."""
    both = PostgresCatalog(postgres_url), PostgresCatalog(postgres_url)
    yield both
    for catalog in both:
        await catalog.close()


async def ask(catalog: PostgresCatalog, key: str) -> Claim | CatalogHit | Held:
    return await catalog.claim(spec(key), SIZE, lease_seconds=60.0, fresh=False, caps=Caps())


async def wait_for_end(catalog: PostgresCatalog, key: str) -> Claim | CatalogHit:
    """Do what the step `claim` does."""
    while isinstance(taken := await ask(catalog, key), Held):
        await catalog.wait_until_free(key, poll_seconds=0.1)
    return taken


def count_listeners(url: PostgresUrl) -> int:
    with psycopg.connect(url.secret) as connection:
        (number,) = connection.execute(f"SELECT count(*) {_LISTENING}").fetchone()
        return number


async def until(is_true) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await asyncio.to_thread(is_true):
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("never_polls")
async def test_waiters_learn_at_once_that_a_claim_ended(catalogs, postgres_url):
    """A released key, and one whose image was stored; all share one connection."""
    holder, waiter = catalogs
    released, kept = await Till(holder).claim("released"), await Till(holder).claim("kept")
    waiting = [
        asyncio.create_task(wait_for_end(waiter, key)) for key in ("released", "kept", "kept")
    ]
    await until(lambda: count_listeners(postgres_url) == 1)
    await holder.release(released)
    await holder.record_kept(
        kept.generation.id, sha256="ab" * 32, byte_count=9, object_path="k.png"
    )
    async with asyncio.timeout(WAIT_SECONDS):
        taken, *hits = await asyncio.gather(*waiting)
    assert isinstance(taken, Claim)
    assert [type(hit) for hit in hits] == [CatalogHit, CatalogHit]
    assert count_listeners(postgres_url) == 1
    await waiter.close()
    await until(lambda: count_listeners(postgres_url) == 0)


@pytest.mark.usefixtures("never_polls")
async def test_an_announcement_that_was_lost_with_the_connection_is_made_up_for(
    catalogs, postgres_url
):
    """A waiter looks again when it is connected again."""
    holder, waiter = catalogs
    claim = await Till(holder).claim("k")
    waiting = asyncio.create_task(wait_for_end(waiter, "k"))
    await until(lambda: count_listeners(postgres_url) == 1)
    with psycopg.connect(postgres_url.secret) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) {_LISTENING}")
    await holder.release(claim)
    async with asyncio.timeout(WAIT_SECONDS):
        assert isinstance(await waiting, Claim)


async def test_a_key_that_nobody_waits_for_is_not_announced(catalogs, postgres_url):
    """Announcements are committed one by one, so they would slow all others down."""
    holder, waiter = catalogs
    with psycopg.connect(postgres_url.secret, autocommit=True) as connection:
        connection.execute("LISTEN stills_freed_keys")
        await Till(holder).buy("unwanted")
        claim = await Till(holder).claim("wanted")
        assert isinstance(await ask(waiter, "wanted"), Held)
        await holder.release(claim)
        announced = await asyncio.to_thread(next, connection.notifies(timeout=WAIT_SECONDS))
    assert announced.payload == "wanted"


async def test_a_waiter_outlives_a_server_that_is_away_for_long(monkeypatch):
    """It waits until its own deadline, though a request that begins now fails sooner."""
    monkeypatch.setattr(database, "AWAY_SECONDS", 0.5)
    monkeypatch.setattr(postgres_catalog, "POLL_SECONDS", 0.2)
    with run_postgres() as server:
        url = server.url("postgres")
        holder, waiter = PostgresCatalog(url), PostgresCatalog(url)
        claim = await Till(holder).claim("k")
        waiting = asyncio.create_task(wait_for_end(waiter, "k"))
        await until(lambda: count_listeners(url) == 1)
        await asyncio.to_thread(server.control, "stop", "-m", "fast")
        for _ in range(2):
            with pytest.raises(CatalogError):
                await ask(holder, "other")
        assert not waiting.done()
        await asyncio.to_thread(server.control, "start")
        await holder.release(claim)
        async with asyncio.timeout(WAIT_SECONDS):
            assert isinstance(await waiting, Claim)
        await holder.close()
        await waiter.close()
