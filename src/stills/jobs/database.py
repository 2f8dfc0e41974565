"""The database of jobs: a file of SQLite, or a schema of its own in Postgres."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from stills.contract.errors import JobsError
from stills.contract.postgres_url import PostgresUrl
from stills.jobs.schema import POSTGRES, SQLITE

SCHEMA = "stills_jobs"
"""Our tables and those of DBOS in Postgres."""

_BUSY_SECONDS = 30
_CONNECTIONS = 8
_CONNECTION: Mapping[str, Any] = {
    "connect_timeout": 10,
    "application_name": "stills jobs",
    # So that a server that is gone is noticed, even if its machine sends nothing any more.
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}
_SETTINGS = (
    f"SET search_path = {SCHEMA}; SET lock_timeout = '20s'; SET statement_timeout = '60s'; "
    "SET idle_in_transaction_session_timeout = '60s'"
)
_ATTEMPTS = 3
_LOCKED = "locked"

# A role that may not create anything can use a schema that exists.
_EXISTS = """
SELECT EXISTS (
    SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'stills_jobs' AND tablename = 'turns'
)
"""

Value = TypeVar("Value")
Work = Callable[["Transaction"], Value]


class Transaction:
    """Runs statements of our own text; the same for both databases."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> sa.CursorResult[Any]:
        """Run one statement."""
        given = values or {}
        lists = [name for name, value in given.items() if isinstance(value, list)]
        text = sa.text(statement)
        if lists:  # each of them becomes a list of parameters, as IN needs it
            text = text.bindparams(*(sa.bindparam(name, expanding=True) for name in lists))
        return self._connection.execute(text, given)

    def run_many(self, statement: str, values: list[dict[str, Any]]) -> None:
        """Run one statement for each of the values."""
        if values:
            self._connection.execute(sa.text(statement), values)

    def one(self, statement: str, values: Mapping[str, Any] | None = None) -> sa.RowMapping | None:
        """Return the first row, if there is one."""
        return self.run(statement, values).mappings().first()

    def all(self, statement: str, values: Mapping[str, Any] | None = None) -> list[sa.RowMapping]:
        """Return all rows."""
        return list(self.run(statement, values).mappings())

    def lock(self, name: str) -> None:
        """Let others that lock the same name wait until this transaction ends."""
        if self._connection.dialect.name != "sqlite":  # which has one writer at a time anyway
            self.run("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7163))", {"name": name})

    def now(self) -> float:
        """Return the time in Unix seconds: the server's, if there is one."""
        if self._connection.dialect.name == "sqlite":
            return time.time()
        found = self.run("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
        return float(found)


class Database:
    """Connects at the first use, and creates the tables. Every method blocks.

    Raises:
        JobsError: the database can't be used; from every method.
    """

    def __init__(self, location: Path | PostgresUrl) -> None:
        self._location = location
        self._made: sa.Engine | None = None
        self._making = threading.Lock()

    @property
    def shown(self) -> str:
        """The name of the database, without its password."""
        return str(self._location) if isinstance(self._location, Path) else self._location.shown

    @property
    def file_url(self) -> str | None:
        """The URL of the file for SQLAlchemy; None for Postgres."""
        if not isinstance(self._location, Path):
            return None
        return _file_url(self._location).render_as_string()

    @property
    def engine(self) -> sa.Engine:
        """The engine of a database with our tables."""
        with self._making, self._translating():
            if self._made is None:
                self._made = self._open()
            return self._made

    def read(self, work: Work[Value]) -> Value:
        """Run `work` in a transaction that only reads."""
        return self._run(work, is_write=False)

    def write(self, work: Work[Value]) -> Value:
        """Run `work` in a transaction; others that write wait."""
        return self._run(work, is_write=True)

    def close(self) -> None:
        """Disconnect."""
        if self._made is not None:
            self._made.dispose()
            self._made = None

    def _run(self, work: Work[Value], *, is_write: bool) -> Value:
        with self._translating():
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    opened = self.engine.connect().execution_options(is_write=is_write)
                    with opened as connection, connection.begin():
                        return work(Transaction(connection))
                except sa.exc.DBAPIError as error:
                    # A connection that broke before the commit has changed nothing.
                    if attempt == _ATTEMPTS or not (error.connection_invalidated or _busy(error)):
                        raise
                    time.sleep(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _open(self) -> sa.Engine:
        if isinstance(self._location, Path):
            self._location.parent.mkdir(parents=True, exist_ok=True)
            engine = sa.create_engine(
                _file_url(self._location), connect_args={"timeout": _BUSY_SECONDS}
            )
            sa.event.listen(engine, "connect", _prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            script = SQLITE
        else:
            engine = _open_postgres(self._location)
            script = POSTGRES
        with engine.connect().execution_options(is_write=True) as connection, connection.begin():
            transaction = Transaction(connection)
            if self.file_url or not transaction.run(_EXISTS).scalar():
                transaction.lock("create")
                for statement in filter(str.strip, script.split(";")):
                    transaction.run(statement)
        return engine

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise self.failed(error) from error

    def failed(self, error: BaseException) -> JobsError:
        """Return our error for one of the database; it quotes no statement and no value."""
        reason = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
        return JobsError(f"the database of jobs {self.shown} can't be used: {reason[0][:300]}")


def _file_url(file: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(file.absolute()))


def _open_postgres(url: PostgresUrl) -> sa.Engine:
    import psycopg  # noqa: PLC0415 - a file needs no driver

    def connect() -> psycopg.Connection:
        # Not by SQLAlchemy, which reads a URL of several servers in another way.
        connection = psycopg.connect(url.secret, **_CONNECTION)
        connection.execute(_SETTINGS)
        connection.commit()
        return connection

    return sa.create_engine(
        "postgresql+psycopg://",
        creator=connect,
        pool_pre_ping=True,
        pool_size=_CONNECTIONS,
        max_overflow=0,
    )


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401 - of the driver
    connection.isolation_level = None  # we begin transactions ourselves
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_write = connection.get_execution_options().get("is_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _busy(error: sa.exc.DBAPIError) -> bool:
    return _LOCKED in str(error.orig)
