"""What is said when a catalog in Postgres can't be used."""

import asyncio
import secrets
import subprocess
import sys
import threading

import pytest
from tests.support.postgres_server import PostgresServer, run_postgres

from stills import assembly
from stills.catalog.postgres import PostgresCatalog, database, schema
from stills.contract.errors import CatalogError
from stills.contract.money import Caps
from stills.contract.postgres_url import PostgresUrl, read_postgres_url

SECRET = "topsecret"


async def refused(url: PostgresUrl) -> CatalogError:
    """Use a catalog, and return the error, which is one line without a password."""
    catalog = PostgresCatalog(url)
    with pytest.raises(CatalogError) as caught:
        await catalog.list_images(limit=1)
    await catalog.close()
    assert "\n" not in str(caught.value)
    for word in (SECRET, "owner-secret"):
        assert word not in f"{caught.value} {caught.value.action} {catalog!r}"
    return caught.value


def database_of(url: PostgresUrl) -> str:
    return url.secret.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def add_user(postgres_server: PostgresServer):
    """Add a user with SECRET as the password; returns the name."""
    names = []

    def add(options: str = "") -> str:
        names.append(f"user_{secrets.token_hex(4)}")
        postgres_server.run(f"CREATE ROLE {names[-1]} LOGIN PASSWORD '{SECRET}' {options}")
        return names[-1]

    yield add
    for name in names:
        postgres_server.run(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("no-such-host.invalid", "its host is unknown"),
        ("127.0.0.1:1", "no server answers at this address"),
    ],
)
async def test_a_server_that_is_not_there_is_named(where, problem):
    """The error comes at once, as the server was never reached."""
    error = await refused(read_postgres_url(f"postgresql://ann:{SECRET}@{where}/stills"))
    assert problem in str(error)
    assert f"postgresql://ann@{where}/stills" in str(error)


async def test_a_wrong_password_is_refused(postgres_server):
    """The server does not say whether the user exists either."""
    for user in ("owner", "nobody"):
        error = await refused(postgres_server.url("postgres", user, SECRET))
        assert "refuses the user or the password" in str(error)


async def test_a_database_that_does_not_exist_is_named(postgres_server):
    """Stills creates tables, but no database."""
    assert "does not exist" in str(await refused(postgres_server.url("no_such_database")))


async def test_a_server_that_requires_tls_says_so():
    """The server rejects connections without it."""
    with run_postgres(requires_tls=True) as server:
        error = await refused(server.tcp_url("postgres"))
    assert "requires TLS" in str(error)
    assert "sslmode" in error.action


async def test_tls_that_the_server_lacks_is_an_error():
    """A URL that asks for TLS is never used without it."""
    with run_postgres(requires_tls=True) as server:
        url = server.tcp_url("postgres").secret
        error = await refused(read_postgres_url(f"{url}?sslmode=require"))
    assert "the server has no TLS" in str(error)


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


async def test_a_server_without_free_connections_says_so(postgres_server, postgres_url, add_user):
    """The limit may also be that of the user."""
    name = database_of(postgres_url)
    user = add_user("SUPERUSER")
    postgres_server.run(f"ALTER ROLE {user} NOSUPERUSER CONNECTION LIMIT 0")
    error = await refused(postgres_server.url(name, user, SECRET))
    assert "no free connection" in str(error)


async def test_a_wait_for_a_connection_ends(monkeypatch, postgres_url):
    """What did not begin changes nothing."""
    catalog, gate = PostgresCatalog(postgres_url), threading.Event()
    await catalog.migrate()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    busy = [
        asyncio.create_task(catalog.database.read(lambda _: gate.wait(60)))
        for _ in range(database.CONNECTIONS_MAX)
    ]
    await asyncio.sleep(0)
    with pytest.raises(CatalogError, match=r"all connections .* were busy"):
        await catalog.list_images(limit=1)
    gate.set()
    assert all(await asyncio.gather(*busy))
    await catalog.close()


def test_a_missing_driver_says_how_to_install_it(monkeypatch, postgres_server):
    """SQLite needs none."""
    monkeypatch.setitem(sys.modules, "stills.catalog.postgres", None)
    with pytest.raises(CatalogError, match="psycopg") as caught:
        assembly.open_postgres(postgres_server.url("postgres"))
    assert "pip install 'stills[postgres]'" in caught.value.action


def test_a_command_ends_with_exit_code_7_and_one_line(tmp_path, postgres_server):
    """Nothing was sent, and no password is printed."""
    command = [
        sys.executable,
        "-m",
        "stills",
        "generate",
        "a kite",
        "--size",
        "512*512",
        "--sandbox",
    ]
    url = postgres_server.url("postgres", "owner", SECRET).secret
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "STILLS_CATALOG": url}
    done = subprocess.run(
        command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (7, "")
    assert "refuses the user or the password" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stderr
