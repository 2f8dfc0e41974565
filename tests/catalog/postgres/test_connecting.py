"""What is said when a Postgres server can't be reached, or refuses the connection."""

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import psycopg
import pytest
from tests.support.postgres_server import PostgresServer, run_postgres
from tests.support.unusable_catalog import SECRET, database_of, refused

from stills.catalog.postgres import PostgresCatalog, database
from stills.contract.errors import CatalogError
from stills.contract.postgres_url import PostgresUrl, read_postgres_url


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


async def test_a_user_who_may_not_connect_to_the_database_is_refused(
    postgres_server, postgres_url, add_user
):
    """The database is there, but for others."""
    name = database_of(postgres_url)
    postgres_server.run(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    error = await refused(postgres_server.url(name, add_user(), SECRET))
    assert "doesn't allow this user to connect to the database" in str(error)


async def test_a_user_without_free_connections_is_told_so(postgres_server, postgres_url, add_user):
    """The limit may be that of the user."""
    name = database_of(postgres_url)
    user = add_user("SUPERUSER")
    postgres_server.run(f"ALTER ROLE {user} NOSUPERUSER CONNECTION LIMIT 0")
    error = await refused(postgres_server.url(name, user, SECRET))
    assert "no free connection" in str(error)


async def connect_as_superuser(url: PostgresUrl) -> psycopg.Connection:
    """Connect; the server needs a moment until a refused connection leaves its place."""
    while True:
        try:
            return psycopg.connect(url.secret)
        except psycopg.OperationalError as error:
            if "too many clients" not in str(error):
                raise
        await asyncio.sleep(0.05)


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
                used.enter_context(await connect_as_superuser(server.url("postgres")))
                if number >= 2:
                    errors.append(await refused(server.url("postgres", "ann", SECRET)))
    assert all("no free connection" in str(error) for error in errors)
    assert all("max_connections" in error.action for error in errors)


async def test_a_wait_for_a_connection_ends(monkeypatch, caplog, postgres_url):
    """What did not begin changes nothing, and asyncio has nothing to complain about."""
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
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_an_error_after_the_caller_has_left_is_not_reported_by_asyncio(caplog, postgres_url):
    """Nobody waits for it any more, and the log is for the operator."""
    catalog, gate = PostgresCatalog(postgres_url), threading.Event()
    await catalog.migrate()

    def fail(_: object) -> None:
        gate.wait(60)
        raise CatalogError("too late")

    leaving = asyncio.create_task(catalog.database.read(fail))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    del leaving
    gc.collect()
    await catalog.close()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
