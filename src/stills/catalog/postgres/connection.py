"""A connection to Postgres that runs the catalog's statements."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, cast

import psycopg
from psycopg.types.numeric import IntLoader

from stills.contract.postgres_url import PostgresUrl

# It would print what is about to be raised.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
LOCK_SECONDS = 20

# The schema `stills` keeps our tables apart from those of other programs. `public` is where
# extensions usually are.
_SETTINGS = (
    "SET search_path = stills, public; "
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'; "
    f"SET lock_timeout = '{LOCK_SECONDS}s'; "
    "SET idle_in_transaction_session_timeout = '60s'; "
    "SET default_transaction_isolation = 'read committed'"
)

# So that a server that is gone is noticed, even if its machine sends nothing any more.
_KEEP_ALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")


class Row:
    """One row of a result, by column name or position."""

    __slots__ = ("_positions", "_values")

    def __init__(self, positions: Mapping[str, int], values: Sequence[Any]) -> None:
        self._positions = positions
        self._values = values

    def __getitem__(self, key: Any, /) -> Any:  # noqa: ANN401 - a column of any type
        return self._values[key if isinstance(key, int) else self._positions[key]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def keys(self) -> Iterable[str]:
        """Return the names of all columns."""
        return self._positions


class PostgresConnection:
    """Implements Connection. Each statement is its own transaction, unless one was begun."""

    def __init__(self, raw: psycopg.Connection[Row]) -> None:
        self._raw = raw

    @property
    def is_lost(self) -> bool:
        """Whether the connection can't be used any more."""
        return self._raw.closed or self._raw.broken

    def execute(
        self, statement: str, values: Mapping[str, Any] | None = None, /
    ) -> psycopg.Cursor[Row]:
        """Run one statement."""
        return self._raw.execute(_translated(statement), values or {})

    def executemany(self, statement: str, values: Iterable[Mapping[str, Any]], /) -> None:
        """Run one statement for each of the values."""
        with self._raw.cursor() as cursor:
            cursor.executemany(_translated(statement), values)

    def run_script(self, script: str) -> None:
        """Run statements without parameters, in one message to the server."""
        self._raw.execute(cast("Any", script), prepare=False)

    def copy_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write rows with the COPY protocol; returns their number."""
        number = 0
        statement = cast("Any", f"COPY {table} ({', '.join(columns)}) FROM STDIN")
        with self._raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
                number += 1
        return number

    def pipeline(self) -> AbstractContextManager[object]:
        """Send statements together until a result is fetched; the end waits for all of them."""
        return self._raw.pipeline()

    def close(self) -> None:
        """Disconnect; a transaction that was begun is rolled back."""
        self._raw.close()


def connect(url: PostgresUrl) -> PostgresConnection:
    """Connect to a server.

    Raises:
        psycopg.Error: it can't be reached, or refuses.
    """
    given = psycopg.conninfo.conninfo_to_dict(url.secret)
    options = {"connect_timeout": CONNECT_SECONDS, "application_name": "stills", **_KEEP_ALIVE}
    missing = {name: value for name, value in options.items() if name not in given}
    raw: psycopg.Connection[Row] = psycopg.connect(
        url.secret, autocommit=True, row_factory=_make_rows, **cast("Any", missing)
    )
    raw.adapters.register_loader("numeric", IntLoader)  # all our sums are of whole numbers
    connection = PostgresConnection(raw)
    try:
        connection.run_script(_SETTINGS)
    except BaseException:
        connection.close()
        raise
    return connection


def server_version(connection: PostgresConnection) -> int:
    """Return the server's version, such as 150003."""
    return int(connection.execute("SELECT current_setting('server_version_num')").fetchall()[0][0])


def _make_rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Row]:
    columns = cursor.description or ()
    positions = {column.name: position for position, column in enumerate(columns)}
    return lambda values: Row(positions, values)


@cache
def _translated(statement: str) -> Any:  # noqa: ANN401 - psycopg wants a literal string
    """Return a statement with psycopg's form of parameters."""
    return _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%"))
