"""What SQLite's error codes mean for a catalog."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stills.catalog.sqlite_errors import is_damage, is_locked


def fail(connection: sqlite3.Connection, statement: str) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement).fetchall()
    return caught.value


def test_a_lock_is_recognised(tmp_path: Path):
    """A write lock of another connection is a lock, not damage."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as holder, closing(sqlite3.connect(path, timeout=0)) as one:
        holder.execute("BEGIN EXCLUSIVE")
        error = fail(one, "SELECT * FROM sqlite_schema")
    assert (is_locked(error), is_damage(error)) == (True, False)


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM missing", "SELECT missing", "SELECT CAST(x'ff' AS TEXT)"]
)
def test_a_schema_and_a_text_of_others_are_damage(statement: str):
    """A missing table or column and a text that is not UTF-8 are damage, and no lock."""
    with closing(sqlite3.connect(":memory:")) as connection:
        error = fail(connection, statement)
    assert (is_locked(error), is_damage(error)) == (False, True)


def test_a_file_of_others_is_damage(tmp_path: Path):
    """A file that is not a database is damage."""
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database" * 100)
    with closing(sqlite3.connect(path)) as connection:
        assert is_damage(fail(connection, "SELECT * FROM sqlite_schema"))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO images VALUES ('malformed: the database is locked')",
        "INSERT INTO images VALUES ('no such table')",
    ],
)
def test_words_in_a_message_mean_nothing(statement: str):
    """A failure whose message quotes such words is neither a lock nor damage."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("""CREATE TABLE images (
            name TEXT CONSTRAINT "no such table is malformed or locked" CHECK (name = '')
        )""")
        error = fail(connection, statement)
    assert "malformed" in str(error)
    assert (is_locked(error), is_damage(error)) == (False, False)
