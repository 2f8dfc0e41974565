"""What is said when a catalog in Postgres can't be used."""

import asyncio
import secrets
import subprocess
import sys

import pytest
from tests.support.postgres_server import PostgresServer
from tests.support.unusable_catalog import SECRET, database_of, refused

from stills import assembly
from stills.catalog.postgres import PostgresCatalog, schema
from stills.contract.errors import CatalogError
from stills.contract.money import Caps
from stills.contract.postgres_url import PostgresUrl


async def test_a_database_in_another_encoding_is_refused(postgres_server):
    """Prompts are in every script."""
    name = f"ascii_{secrets.token_hex(4)}"
    postgres_server.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    error = await refused(postgres_server.url(name))
    postgres_server.run(f"DROP DATABASE {name}")
    assert "has the encoding SQL_ASCII" in str(error)


async def test_a_refused_database_stays_as_free_as_it_was(postgres_server):
    """The refusal leaves no transaction open, whose lock the next one would wait for."""
    name = f"ascii_{secrets.token_hex(4)}"
    postgres_server.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    first, second = (PostgresCatalog(postgres_server.url(name)) for _ in range(2))
    for catalog in (first, second):
        with pytest.raises(CatalogError, match="has the encoding SQL_ASCII"):
            await catalog.migrate()
    await first.close()
    await second.close()
    postgres_server.run(f"DROP DATABASE {name}")


async def test_a_user_without_rights_is_told_what_to_grant(postgres_server, postgres_url, add_user):
    """Neither for creating the schema nor for using it."""
    name = database_of(postgres_url)
    url = postgres_server.url(name, add_user(), SECRET)
    assert "lacks rights" in str(await refused(url))
    owner = PostgresCatalog(postgres_url)
    await owner.migrate()
    await owner.close()
    error = await refused(url)
    assert "lacks rights" in str(error)
    assert "stills catalog migrate" in error.action


async def test_a_replica_is_refused(postgres_server, postgres_url):
    """Nothing can be journalled there."""
    name = database_of(postgres_url)
    postgres_server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "read-only" in str(await refused(postgres_url))


async def test_a_catalog_that_became_a_replica_is_not_ready(postgres_server, postgres_url):
    """After a failover; a rebuild is refused as well, before it reads the whole store."""
    catalog = PostgresCatalog(postgres_url)
    await catalog.check_writable()
    name = database_of(postgres_url)
    postgres_server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgres_server.run(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    with pytest.raises(CatalogError, match="was lost"):
        await catalog.check_writable()
    for check in (catalog.check_writable, catalog.set_aside_if_damaged):
        with pytest.raises(CatalogError, match="read-only"):
            await check()
    await catalog.close()


async def test_a_newer_schema_is_refused_before_anything_is_sent(postgres_server, postgres_url):
    """Also by a process that has the catalog open."""
    catalog = PostgresCatalog(postgres_url)
    await catalog.migrate()
    name = database_of(postgres_url)
    postgres_server.run("INSERT INTO stills.schema_version (version) VALUES (99)", name)
    assert "written by a newer Stills (schema 99" in str(await refused(postgres_url))
    with pytest.raises(CatalogError, match="newer Stills"):
        await catalog.record_sends([], lease_seconds=60.0, caps=Caps())
    await catalog.close()


async def test_an_old_server_is_refused(monkeypatch, postgres_url):
    """The error names its version and the one that is needed."""
    monkeypatch.setattr(schema, "VERSION_MIN", 990_000)
    assert "Stills needs 14 or newer" in str(await refused(postgres_url))


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DEALLOCATE ALL", "a pooler changes the connection"),  # as if it were another one
        ("DROP SCHEMA stills CASCADE", "its tables are not visible"),
    ],
)
async def test_what_a_connection_has_lost_is_named(postgres_url, statement, problem):
    """Poolers in transaction mode, and people, take it away."""
    catalog = PostgresCatalog(postgres_url)
    await catalog.list_images(limit=1)
    await catalog.database.read(lambda connection: connection.execute(statement) and None)
    with pytest.raises(CatalogError, match=problem) as caught:
        await catalog.list_images(limit=1)
    assert "session mode" in caught.value.action
    await catalog.close()


def test_a_missing_driver_says_how_to_install_it(monkeypatch, postgres_server):
    """SQLite needs none."""
    monkeypatch.setitem(sys.modules, "stills.catalog.postgres", None)
    with pytest.raises(CatalogError, match="psycopg") as caught:
        assembly.open_postgres(postgres_server.url("postgres"))
    assert "pip install 'stills[postgres]'" in caught.value.action


def wrong_password(server: PostgresServer, name: str, _user: str) -> PostgresUrl:
    return server.url(name, "owner", SECRET)


def missing_database(server: PostgresServer, _name: str, _user: str) -> PostgresUrl:
    return server.url("no_such_database")


def no_rights(server: PostgresServer, name: str, user: str) -> PostgresUrl:
    return server.url(name, user, SECRET)


def no_connection(server: PostgresServer, name: str, user: str) -> PostgresUrl:
    server.run(f"ALTER ROLE {user} CONNECTION LIMIT 0")
    return server.url(name, user, SECRET)


def newer_schema(server: PostgresServer, name: str, _user: str) -> PostgresUrl:
    server.run("CREATE SCHEMA stills", name)
    server.run("CREATE TABLE stills.schema_version AS SELECT 99 AS version", name)
    return server.url(name)


@pytest.mark.parametrize(
    "case", [wrong_password, missing_database, no_rights, no_connection, newer_schema]
)
async def test_a_command_ends_with_exit_code_7_and_one_line(
    tmp_path, postgres_server, postgres_url, add_user, sandbox, case
):
    """Nothing is sent, and no password is printed."""
    url = case(postgres_server, database_of(postgres_url), add_user())
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "stills", "generate", "a kite", "--size", "512*512"],
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "STILLS_CATALOG": url.secret,
            "DASHSCOPE_API_KEY": "sk-sandbox",
            "DASHSCOPE_HTTP_BASE_URL": sandbox.base_url,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr
    assert sandbox.ledger.sends == ()
