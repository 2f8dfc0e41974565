"""A connection to Postgres that runs the catalog's statements."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import psycopg

from stills.catalog.postgres.statements import Result, Statements
from stills.contract.postgres_url import PostgresUrl

# It would print what is about to be raised.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
LOCK_SECONDS = 20

# The schema `stills` keeps our tables apart from those of other programs. `public` is where
# extensions usually are.
_SETTINGS = (
    "SET client_encoding = 'UTF8'; "
    "SET search_path = stills, public; "
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'; "
    f"SET lock_timeout = '{LOCK_SECONDS}s'; "
    "SET idle_in_transaction_session_timeout = '60s'; "
    "SET default_transaction_isolation = 'read committed'; "
    # A machine that is lost in a transaction would otherwise keep its locks for hours.
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3; "
    "SET tcp_user_timeout = '15s'"
)

# The same from this side: a server that is gone is noticed, even if it sends nothing any more.
_KEEP_ALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}

_NONE: Mapping[str, Any] = {}


class PostgresConnection:
    """Implements Connection. Statements are sent together until a result is fetched.

    Those that are sent together are a transaction, unless one was begun.
    """

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw
        self._statements = Statements(raw.pgconn)

    @property
    def is_lost(self) -> bool:
        """Whether the connection can't be used any more."""
        return self._raw.closed or self._raw.broken

    def execute(self, statement: str, values: Mapping[str, Any] = _NONE, /) -> Result:
        """Run one statement."""
        return self._statements.send(statement, values)

    def executemany(self, statement: str, values: Iterable[Mapping[str, Any]], /) -> None:
        """Run one statement for each of the values."""
        for each in values:
            self._statements.send(statement, each)

    def finish(self) -> None:
        """Wait until all statements have run.

        Raises:
            psycopg.Error: one of them failed.
        """
        self._statements.finish()

    def run_script(self, script: str) -> None:
        """Run statements without parameters, in one message to the server."""
        self.finish()
        self._raw.execute(cast("Any", script), prepare=False)

    def roll_back(self) -> None:
        """Undo the transaction that was begun, after an error."""
        with suppress(psycopg.Error):
            self.finish()
        if not self.is_lost:
            self.run_script("ROLLBACK")

    def copy_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write rows with the COPY protocol; returns their number."""
        self.finish()
        number = 0
        statement = cast("Any", f"COPY {table} ({', '.join(columns)}) FROM STDIN")
        with self._raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
                number += 1
        return number

    def close(self) -> None:
        """Disconnect; a transaction that was begun is rolled back."""
        self._raw.close()


def connect(url: PostgresUrl) -> PostgresConnection:
    """Connect to a server.

    Raises:
        psycopg.Error: it can't be reached, or refuses.
    """
    raw = psycopg.connect(url.secret, autocommit=True, **missing_options(url))
    connection = PostgresConnection(raw)
    try:
        connection.run_script(_SETTINGS)
    except BaseException:
        connection.close()
        raise
    return connection


def missing_options(url: PostgresUrl) -> dict[str, Any]:
    """Return the options of a connection that its URL does not have.

    Raises:
        psycopg.ProgrammingError: the driver can't read the URL.
    """
    try:
        given = psycopg.conninfo.conninfo_to_dict(url.secret)
    except psycopg.ProgrammingError:
        # The driver's own message quotes the URL.
        raise psycopg.ProgrammingError("the URL is not valid") from None
    options = {"connect_timeout": CONNECT_SECONDS, "application_name": "stills", **_KEEP_ALIVE}
    return {name: value for name, value in options.items() if name not in given}


def server_version(connection: PostgresConnection) -> int:
    """Return the server's version, such as 150003."""
    return int(connection.execute("SELECT current_setting('server_version_num')").fetchall()[0][0])
