"""Statements: their values and errors, and what runs while one waits."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from stills.catalog.postgres.connection import PostgresConnection, connect
from stills.catalog.postgres.statements import Statements


@pytest.fixture
def connection(postgres_url) -> Iterator[PostgresConnection]:
    """A connection, with a table for text and one for numbers."""
    opened = connect(postgres_url)
    opened.run_script("CREATE TABLE texts (value TEXT PRIMARY KEY)")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("TEXT", 'ein "Drachen" am Kai: \\ {a,b} \n 风筝 :name %s $1'),
        ("TEXT", ""),
        ("TEXT", None),
        ("BIGINT", -(2**63)),
        ("INTEGER", 0),
        ("NUMERIC", 10**30),
        ("DOUBLE PRECISION", 0.1 + 0.2),
        ("DOUBLE PRECISION", float("inf")),
        ("BOOLEAN", True),
        ("BOOLEAN", False),
    ],
)
def test_a_value_returns_as_it_was_given(connection, type_name, value):
    """Of every type that a column has."""
    row = connection.execute(f"SELECT CAST(:v AS {type_name}) AS v", {"v": value}).fetchone()
    assert row["v"] == value
    assert row[0] == value
    assert list(row) == [value]


def test_a_list_is_an_array(connection):
    """Also with characters that mean something in an array."""
    values = ["a", "", 'say "b"', "c\\d", "{e,f}", "NULL", None]
    rows = connection.execute("SELECT unnest(CAST(:v AS TEXT[]))", {"v": values}).fetchall()
    assert [row[0] for row in rows] == values


def test_a_parameter_may_occur_several_times(connection):
    """And a cast is not a parameter."""
    row = connection.execute("SELECT :b::int + :a::int, :b::int", {"a": 1, "b": 20}).fetchone()
    assert list(row) == [21, 20]


def test_statements_run_in_their_order(connection):
    """Those without a result that is fetched too."""
    connection.executemany("INSERT INTO texts VALUES (:v)", [{"v": "a"}, {"v": "b"}])
    changed = connection.execute("UPDATE texts SET value = value || 'x' RETURNING value")
    connection.execute("DELETE FROM texts WHERE value = 'ax'")
    left = connection.execute("SELECT value FROM texts").fetchall()
    assert sorted(row[0] for row in changed) == ["ax", "bx"]
    assert [row[0] for row in left] == ["bx"]


def test_an_error_is_raised_when_a_result_is_needed(connection):
    """What was sent with it is undone, and the connection stays usable."""
    connection.execute("INSERT INTO texts VALUES ('a')")
    connection.execute("INSERT INTO texts VALUES ('a')")
    after = connection.execute("SELECT value FROM texts")
    with pytest.raises(psycopg.errors.UniqueViolation):
        after.fetchone()
    assert not connection.is_lost
    assert connection.execute("SELECT count(*) FROM texts").fetchone()[0] == 0


def test_a_statement_is_prepared_again_after_it_failed(connection):
    """It may have failed because a table was missing."""
    statement = "SELECT * FROM later"
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute(statement).fetchone()
    connection.run_script("CREATE TABLE later AS SELECT 7 AS v")
    for _ in range(2):
        assert connection.execute(statement).fetchone()["v"] == 7


def test_a_text_with_nul_is_refused(connection):
    """It would be cut off at that character without an error."""
    with pytest.raises(psycopg.errors.CharacterNotInRepertoire, match="NUL"):
        connection.execute("SELECT CAST(:v AS TEXT)", {"v": "a\0b"})
    assert connection.execute("SELECT 1").fetchone()[0] == 1


def test_a_large_result_and_a_large_value_arrive(connection):
    """Larger than what fits in the buffers of the socket, in both directions at once."""
    large = "a" * 10_000_000
    results = [connection.execute("SELECT CAST(:v AS TEXT)", {"v": large}) for _ in range(4)]
    assert [result.fetchone()[0] == large for result in results] == [True] * 4


def test_other_threads_run_while_a_statement_waits(connection, postgres_url):
    """Here the statement waits for a lock that this thread holds."""
    holder = connect(postgres_url)
    holder.execute("SELECT pg_advisory_lock(1)").fetchone()
    waiter = threading.Thread(
        target=lambda: connection.execute("SELECT pg_advisory_lock(1)").fetchone()
    )
    waiter.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while holder.execute(waiting).fetchone()[0] == 0:
        pass
    holder.execute("SELECT pg_advisory_unlock(1)").fetchone()
    waiter.join(60)
    assert not waiter.is_alive()
    holder.close()


def test_a_connection_that_the_server_ended_is_lost(connection, postgres_server):
    """So that another one is used."""
    (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    postgres_server.run(f"SELECT pg_terminate_backend({pid}, 60000)")
    connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        connection.finish()
    assert connection.is_lost


def test_a_connection_that_is_lost_before_the_results_is_an_error(postgres_url):
    """Otherwise a write that never arrived would count as done."""
    with psycopg.connect(postgres_url.secret) as raw:
        statements = Statements(raw.pgconn)
        statements.send("SELECT 1", {})
        raw.close()
        with pytest.raises(psycopg.Error):
            statements.finish()
