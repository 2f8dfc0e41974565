"""Connections to Postgres: restarts, concurrent migrations and clashes."""

import asyncio
import threading
from collections.abc import Iterator

import psycopg
import pytest
from tests.support.catalog_steps import SIZE, Till, spec
from tests.support.postgres_server import PostgresServer, run_postgres

from stills.catalog.postgres import PostgresCatalog, schema
from stills.contract.errors import Billing, BudgetExceeded, CatalogError
from stills.contract.generation import CatalogMiss, Claim, Held, Settlement
from stills.contract.money import Caps
from stills.contract.postgres_url import read_postgres_url


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with run_postgres() as server:
        yield server


async def test_any_number_of_processes_create_the_schema_at_once(postgres_url):
    """One of them does, and none fails."""
    catalogs = [PostgresCatalog(postgres_url) for _ in range(8)]
    versions = await asyncio.gather(*(catalog.migrate() for catalog in catalogs))
    assert set(versions) == {len(schema.migration_scripts())}
    for catalog in catalogs:
        await catalog.close()


async def test_a_restarted_server_is_used_again(own_server):
    """Reads and writes wait for it, and each write is there once."""
    catalog = PostgresCatalog(own_server.url("postgres"))
    till = Till(catalog)
    claim = await till.claim("k")
    await asyncio.to_thread(own_server.control, "stop", "-m", "fast")
    send = asyncio.create_task(till.send(claim, None))
    found = asyncio.create_task(catalog.find("k", SIZE))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(own_server.control, "start")
    assert await send == 1
    assert await found == CatalogMiss()
    assert len(await catalog.list_sends(claim.generation.id)) == 1
    await catalog.close()


async def test_the_server_soon_notices_that_a_machine_is_gone(own_server):
    """Also in a transaction: the locks of a lost machine end within seconds, not hours."""
    own_server.run("ALTER SYSTEM SET listen_addresses = '127.0.0.1'")
    own_server.run(f"ALTER SYSTEM SET port = {own_server.port}")
    for step in (("stop", "-m", "fast"), ("start",)):
        await asyncio.to_thread(own_server.control, *step)
    catalog = PostgresCatalog(own_server.tcp_url("postgres"))
    query = "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp%'"
    found = await catalog.database.read(
        lambda connection: {row[0]: int(row[1]) for row in connection.execute(query)}
    )
    assert found == {
        "tcp_keepalives_idle": 5,
        "tcp_keepalives_interval": 3,
        "tcp_keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    await catalog.close()


async def test_transactions_that_lock_each_other_run_again(postgres_url):
    """The server undoes one of them, and nobody notices."""
    catalog, together = PostgresCatalog(postgres_url), asyncio.Barrier(2)
    await catalog.migrate()
    loop = asyncio.get_running_loop()
    runs = []

    def lock(first: str, second: str):
        def work(connection) -> str:
            connection.execute("SELECT lock_until_commit(:name)", {"name": first}).fetchone()
            runs.append(first)
            if len(runs) <= 2:
                asyncio.run_coroutine_threadsafe(together.wait(), loop).result(60)
            connection.execute("SELECT lock_until_commit(:name)", {"name": second}).fetchone()
            return first

        return catalog.database.write(work)

    assert await asyncio.gather(lock("a", "b"), lock("b", "a")) == ["a", "b"]
    assert len(runs) == 3
    await catalog.close()


async def test_a_cap_is_exact_for_many_catalogs_at_once(postgres_url):
    """Of ten images at 0.075 USD, a cap of 0.30 USD allows four."""
    catalogs = [PostgresCatalog(postgres_url) for _ in range(3)]

    async def claim(number: int) -> object:
        try:
            return await catalogs[number % 3].claim(
                spec(f"k{number}"), SIZE, lease_seconds=60.0, fresh=False, caps=Caps(day_usd=0.30)
            )
        except BudgetExceeded:
            return None

    taken = await asyncio.gather(*(claim(number) for number in range(10)))
    assert [isinstance(each, Claim) for each in taken].count(True) == 4
    for catalog in catalogs:
        await catalog.close()


async def test_a_claim_under_a_cap_waits_for_another_s_commit(monkeypatch, postgres_url):
    """Its price may be the last that the cap allows."""
    first, second = PostgresCatalog(postgres_url), PostgresCatalog(postgres_url)
    limits = {"lease_seconds": 60.0, "fresh": False, "caps": Caps(day_usd=0.075)}
    claimed, gate, write = threading.Event(), threading.Event(), first.database.write

    def write_slowly(work, **options):
        def slow(connection):
            taken = work(connection)
            claimed.set()
            gate.wait(60)
            return taken

        return write(slow, **options)

    await second.migrate()
    monkeypatch.setattr(first.database, "write", write_slowly)
    taking = asyncio.create_task(first.claim(spec("a"), SIZE, **limits))
    await asyncio.to_thread(claimed.wait, 60)
    waiting = asyncio.create_task(second.claim(spec("b"), SIZE, **limits))
    with psycopg.connect(postgres_url.secret, autocommit=True) as observer:
        blocked = (
            "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
            " WHERE NOT l.granted AND d.datname = current_database()"
        )
        while not waiting.done() and not observer.execute(blocked).fetchone()[0]:
            await asyncio.sleep(0.01)
    gate.set()
    assert isinstance(await taking, Claim)
    with pytest.raises(BudgetExceeded, match="reserved"):
        await waiting
    for catalog in (first, second):
        await catalog.close()


async def test_totals_agree_with_the_ledger(postgres_url):
    """Whatever happened to each call."""
    catalog = PostgresCatalog(postgres_url)
    till = Till(catalog)
    for number, billing in enumerate(("billed", "possible", "none", "billed")):
        claim = await till.claim(f"k{number}")
        send = await till.send(claim, None)
        await catalog.settle_send(send, Settlement(Billing(billing), "code"))
    with psycopg.connect(postgres_url.secret) as connection:
        totals = connection.execute(
            "SELECT kind, images FROM stills.totals WHERE images != 0 ORDER BY kind"
        ).fetchall()
    assert totals == [("billed", 2), ("possible", 1)]
    await catalog.close()


async def test_a_claim_of_another_connection_is_held(postgres_url):
    """Also while the first one is about to send."""
    one, other = PostgresCatalog(postgres_url), PostgresCatalog(postgres_url)
    till = Till(one)
    claim = await till.claim("k")
    sending = [till.send(claim, None) for _ in range(5)]
    taking = [
        other.claim(spec("k"), SIZE, lease_seconds=60.0, fresh=True, caps=Caps()) for _ in range(5)
    ]
    outcomes = await asyncio.gather(*sending, *taking)
    assert all(isinstance(held, Held) for held in outcomes[5:])
    for catalog in (one, other):
        await catalog.close()


async def test_the_connections_have_a_name_unless_the_url_gives_another(postgres_url):
    """An operator who lists the connections of a server sees whose they are."""
    name = "SELECT current_setting('application_name')"
    parameter = ("&" if "?" in postgres_url.secret else "?") + "application_name=pictures"
    named = read_postgres_url(postgres_url.secret + parameter)
    for url, expected in ((postgres_url, "stills"), (named, "pictures")):
        catalog = PostgresCatalog(url)
        found = await catalog.database.read(lambda one: one.execute(name).fetchone()[0])
        assert found == expected
        await catalog.close()


DIE_AT_THE_FIRST_COMMIT = """
CREATE SEQUENCE commits;
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.commits') = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON stills.store DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION die();
"""


async def test_a_connection_that_is_lost_in_a_commit_fails_the_write(postgres_url):
    """Whether it was written is unknown, so it is neither reported as done nor repeated."""
    catalog = PostgresCatalog(postgres_url)
    await catalog.migrate()
    with psycopg.connect(postgres_url.secret, autocommit=True) as connection:
        connection.execute(DIE_AT_THE_FIRST_COMMIT)
    with pytest.raises(CatalogError):
        await catalog.record_store("other")
    assert (await catalog.read_store()).id != "other"
    await catalog.close()
