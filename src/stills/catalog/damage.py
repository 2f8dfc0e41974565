"""A complete check of a catalog's file."""

import sqlite3
from contextlib import closing

from stills.catalog import schema
from stills.catalog.damaged_content import DamagedContent
from stills.catalog.rows import read_generation, read_send


def check_undamaged(connection: sqlite3.Connection) -> None:
    """Read the complete database; this takes as long as that does.

    SQLite checks neither that a text is UTF-8 nor that the schema is the one we wrote, so every
    column of every row is read.

    Raises:
        DamagedContent, sqlite3.Error, UnicodeDecodeError: it is damaged, as `is_damage`
            confirms.
    """
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedContent(found)
    for table, columns in _expected_columns(connection).items():
        for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - names from our own migrations
            if table == "generations":
                read_generation(row)
            elif table == "sends":
                read_send(row)


def _expected_columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the columns of each table of an intact catalog, read from a new one in memory."""
    connection.execute("SELECT * FROM sqlite_schema").fetchall()
    with closing(schema.open_in_memory()) as intact:
        tables = intact.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            table: [row["name"] for row in intact.execute(f"PRAGMA table_info({table})")]
            for (table,) in tables
        }
