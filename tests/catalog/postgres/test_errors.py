"""What is said when a catalog in Postgres can't be used."""

import asyncio
import logging
import secrets
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode

import psycopg
import pytest
from tests.support.postgres_server import PostgresServer, run_postgres

from stills import assembly
from stills.catalog.postgres import PostgresCatalog, database, schema
from stills.contract.errors import CatalogError
from stills.contract.money import Caps
from stills.contract.postgres_url import PostgresUrl, read_postgres_url

SECRET = "topsecret"


class Log(logging.Handler):
    """Everything that is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def logged() -> Iterator[Log]:
    """Log everything, of the driver too."""
    log, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    yield log
    root.setLevel(level)
    root.removeHandler(log)


async def refused(url: PostgresUrl) -> CatalogError:
    """Use a catalog, and return the error, which is one line.

    No password is in it, in its traceback or in a log.
    """
    catalog = PostgresCatalog(url)
    with logged() as log, pytest.raises(CatalogError) as caught:
        await catalog.list_images(limit=1)
    await catalog.close()
    error = caught.value
    assert "\n" not in f"{error} {error.action}"
    shown = [*log.lines, *traceback.format_exception(error), error.action, repr(catalog), repr(url)]
    for word in (SECRET, "owner-secret"):
        assert word not in "\n".join(shown)
    return error


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


TLS_ONLY = "hostssl all all 127.0.0.1/32 scram-sha-256"


@pytest.fixture(scope="module")
def tls_server(certificate) -> Iterator[PostgresServer]:
    """A server that only accepts connections with TLS."""
    with run_postgres(rule=TLS_ONLY, certificate=certificate) as server:
        yield server


def with_options(url: PostgresUrl, **options: str) -> PostgresUrl:
    return read_postgres_url(f"{url.secret}?{urlencode(options)}")


async def test_a_server_that_requires_tls_says_so(tls_server):
    """A URL may turn TLS off."""
    error = await refused(with_options(tls_server.tcp_url("postgres"), sslmode="disable"))
    assert "without TLS" in str(error)
    assert "sslmode" in error.action


async def test_a_wrong_password_is_named_also_where_tls_is_required(tls_server):
    """The driver then tries without TLS, which is refused for another reason."""
    url = read_postgres_url(tls_server.tcp_url("postgres").secret.replace("owner-secret", SECRET))
    assert "refuses the user or the password" in str(await refused(url))


async def test_a_certificate_that_is_not_trusted_is_named(tls_server):
    """The password is not sent to such a server."""
    url = with_options(tls_server.tcp_url("postgres"), sslmode="verify-full", sslrootcert="system")
    other = with_options(
        tls_server.tcp_url("postgres"), sslmode="verify-full", sslrootcert="/no/such.pem"
    )
    for each in (url, other):
        error = await refused(each)
        assert "certificate can't be verified" in str(error)
        assert "sslrootcert" in error.action


async def test_tls_connects(tls_server, certificate):
    """With the server's certificate as a trusted one."""
    catalog = PostgresCatalog(
        with_options(
            tls_server.tcp_url("postgres"), sslmode="verify-full", sslrootcert=str(certificate[0])
        )
    )
    assert await catalog.list_images(limit=1) == []
    await catalog.close()


async def test_a_machine_that_the_server_refuses_is_not_told_to_use_tls(certificate):
    """It is refused with and without it."""
    for rule in ("host all nobody 127.0.0.1/32 trust", "host all all 127.0.0.1/32 reject"):
        with run_postgres(rule=rule, certificate=certificate) as server:
            error = await refused(server.tcp_url("postgres"))
        assert str(error).endswith("doesn't allow this user to connect from this machine")
        assert "pg_hba.conf" in error.action


async def test_tls_that_the_server_lacks_is_an_error():
    """A URL that asks for TLS is never used without it."""
    with run_postgres(rule="host all all 127.0.0.1/32 trust") as server:
        error = await refused(with_options(server.tcp_url("postgres"), sslmode="require"))
    assert "the server has no TLS" in str(error)


@pytest.mark.parametrize(
    "options", ["sslmod=require", "sslmode=always", "keepalives=maybe", "sslmode", "a=b=c"]
)
async def test_options_that_the_driver_does_not_know_are_refused(options):
    """They are not quoted, because they may be a part of a password."""
    url = read_postgres_url(f"postgresql://ann:{SECRET}@127.0.0.1:1/stills?{options}")
    error = await refused(url)
    assert "its URL is not valid" in str(error)
    assert "percent-encode" in error.action


async def test_another_service_at_the_address_is_recognized():
    """It answers, but not as Postgres does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://ann:{SECRET}@127.0.0.1:{port}/stills"
        for each in (url, f"{url}?sslmode=disable"):
            assert "is not Postgres" in str(await refused(read_postgres_url(each)))


async def test_a_server_that_does_not_answer_is_given_up():
    """As behind a firewall that drops everything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://ann:{SECRET}@127.0.0.1:{port}/stills?connect_timeout=2"
        assert "can't be reached in time" in str(await refused(read_postgres_url(url)))


async def test_a_database_in_another_encoding_is_refused(postgres_server):
    """Prompts are in every script."""
    name = f"ascii_{secrets.token_hex(4)}"
    postgres_server.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    error = await refused(postgres_server.url(name))
    postgres_server.run(f"DROP DATABASE {name}")
    assert "has the encoding SQL_ASCII" in str(error)


async def test_a_user_who_may_not_connect_to_the_database_is_refused(
    postgres_server, postgres_url, add_user
):
    """The database is there, but for others."""
    name = database_of(postgres_url)
    postgres_server.run(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    error = await refused(postgres_server.url(name, add_user(), SECRET))
    assert "doesn't allow this user to connect to the database" in str(error)


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


async def test_a_user_without_free_connections_is_told_so(postgres_server, postgres_url, add_user):
    """The limit may be that of the user."""
    name = database_of(postgres_url)
    user = add_user("SUPERUSER")
    postgres_server.run(f"ALTER ROLE {user} NOSUPERUSER CONNECTION LIMIT 0")
    error = await refused(postgres_server.url(name, user, SECRET))
    assert "no free connection" in str(error)


async def test_a_server_without_free_connections_says_so():
    """Or the server's own: the last ones are for superusers, and then there are none at all."""
    with run_postgres() as server:
        server.run(f"CREATE ROLE ann LOGIN PASSWORD '{SECRET}'")
        server.run("ALTER SYSTEM SET max_connections = 6")
        await asyncio.to_thread(server.control, "stop", "-m", "fast")
        await asyncio.to_thread(server.control, "start")
        with ExitStack() as used:
            errors = []
            for number in range(6):
                used.enter_context(psycopg.connect(server.url("postgres").secret))
                if number >= 2:
                    errors.append(await refused(server.url("postgres", "ann", SECRET)))
    assert all("no free connection" in str(error) for error in errors)
    assert all("max_connections" in error.action for error in errors)


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
