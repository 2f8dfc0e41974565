"""Copy a catalog from SQLite to Postgres: all of it, or nothing."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from stills.catalog.postgres.connection import PostgresConnection, connect
from stills.catalog.postgres.errors import failed, unreachable
from stills.catalog.postgres.schema import migrate
from stills.catalog.schema import open_catalog
from stills.contract.errors import CatalogError
from stills.contract.postgres_url import PostgresUrl

# In the order of their references. Claims are left out: their leases are valid on one machine.
_TABLES = (
    "generations",
    "sends",
    "job_totals",
    "renditions",
    "requests",
    "answers",
    "limiter_states",
    "api_keys",
    "replies",
)
_COUNTERS = (("generations", "sequence"), ("sends", "number"))
_BOOLEANS = {"prompt_extend", "enable_thinking"}
_COUNTED_BY_TRIGGERS = ("sends", "answers")
_TOTALS = """
INSERT INTO partial_totals (
    day, part, provider, model, style, payer, kind, images, nano_usd, unpriced
)
VALUES (:day, 0, :provider, :model, :style, :payer, :kind, :images, :nano_usd, :unpriced)
"""


def copy_catalog(source: Path, target: PostgresUrl) -> Mapping[str, int]:
    """Copy a catalog that no process uses into an empty database; returns the rows per table.

    It is one transaction, so a copy that fails changes nothing and can be started again.

    Raises:
        CatalogError: one of them can't be used, the target is not empty, or the copy differs.
    """
    if not source.is_file():
        raise CatalogError(f"there is no catalog {source}", action="Check the path.")
    try:
        connection = connect(target)
    except psycopg.Error as error:
        raise unreachable(target, error) from error
    try:
        migrate(connection, target)
        with closing(open_catalog(source)) as rows:
            rows.execute("BEGIN")
            connection.run_script("BEGIN; SET LOCAL statement_timeout = 0")
            copied = _copy(rows, connection, target)
            connection.run_script("COMMIT")
    except psycopg.Error as error:
        raise failed(target, error, is_lost=connection.is_lost) from error
    except (sqlite3.Error, OSError) as error:
        raise CatalogError(f"the catalog {source} can't be read: {error}") from error
    finally:
        connection.close()
    return copied


def _copy(
    source: sqlite3.Connection, target: PostgresConnection, url: PostgresUrl
) -> Mapping[str, int]:
    target.run_script("LOCK TABLE generations, sends, answers IN EXCLUSIVE MODE")
    if target.execute("SELECT 1 FROM generations LIMIT 1").fetchone() is not None:
        raise CatalogError(
            f"the catalog {url.shown} is not empty",
            action="Copy into a new database. Nothing was changed.",
        )
    for table in _COUNTED_BY_TRIGGERS:
        target.run_script(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    copied = {table: _copy_table(source, target, table) for table in _TABLES}
    for table in _COUNTED_BY_TRIGGERS:
        target.run_script(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    target.executemany(_TOTALS, (dict(row) for row in source.execute("SELECT * FROM totals")))
    _copy_prompts(source, target)
    for row in source.execute("SELECT id, confirmed FROM store"):
        target.execute(
            "UPDATE store SET id = :id, confirmed = :confirmed",
            {"id": row["id"], "confirmed": bool(row["confirmed"])},
        )
    for table, column in _COUNTERS:
        target.run_script(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), "  # noqa: S608 - our own names
            f"(SELECT coalesce(max({column}), 0) + 1 FROM {table}), FALSE)"
        )
    for table, number in copied.items():
        there = target.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608 - our own names
        if there != number:
            raise CatalogError(
                f"the copy has {there} rows of {number} in {table}",
                action="Nothing was changed. Copy again.",
            )
    return copied


def _copy_table(source: sqlite3.Connection, target: PostgresConnection, table: str) -> int:
    rows = source.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own names
    columns = [column[0] for column in rows.description]
    convert = [_as_bool if column in _BOOLEANS else None for column in columns]
    return target.copy_rows(table, columns, (_converted(row, convert) for row in rows))


def _copy_prompts(source: sqlite3.Connection, target: PostgresConnection) -> None:
    rows = source.execute("SELECT sequence, prompt FROM generations WHERE stage = 'kept'")
    folded = ((row["sequence"], row["prompt"].casefold()) for row in rows)
    target.copy_rows("prompts", ["rowid", "prompt"], folded)


def _converted(row: Sequence[Any], convert: Sequence[Callable[[Any], Any] | None]) -> Sequence[Any]:
    return [
        value if change is None else change(value)
        for value, change in zip(row, convert, strict=True)
    ]


def _as_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
