"""Which errors mean that a catalog's file is damaged, and a check that finds them all."""

import sqlite3
from contextlib import closing

from stills.catalog import schema
from stills.catalog.rows import read_generation, read_send

# SQLite checks neither that a text is UTF-8 nor that the schema is still the one we wrote.
_SIGNS = (
    "malformed",
    "not a database",
    "Could not decode to UTF-8",
    "no such table",
    "no such column",
    "has no column named",
)


def is_damage(error: Exception) -> bool:
    """Return whether an error of SQLite, or of reading its rows, is the fault of the file."""
    # A schema that is not UTF-8 makes Python fail on SQLite's own error message.
    if isinstance(error, UnicodeDecodeError):
        return True
    return isinstance(error, sqlite3.Error) and any(sign in str(error) for sign in _SIGNS)


def check_undamaged(connection: sqlite3.Connection) -> None:
    """Read the whole database; this takes as long as that does.

    Raises:
        sqlite3.Error, UnicodeDecodeError: it is damaged, which `is_damage` confirms.
    """
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"malformed: {found}")
    for table, columns in _read_columns(connection).items():
        for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - names from our own migrations
            if table == "generations":
                read_generation(row)
            elif table == "sends":
                read_send(row)


def _read_columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Read the names that a sound catalog has, from a new one in memory."""
    connection.execute("SELECT * FROM sqlite_schema").fetchall()
    with closing(schema.open_in_memory()) as sound:
        tables = sound.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            table: [row["name"] for row in sound.execute(f"PRAGMA table_info({table})")]
            for (table,) in tables
        }
