"""One table that is copied from SQLite to Postgres, in chunks that are compared after writing."""

import hashlib
import json
import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from stills.catalog.postgres.connection import PostgresConnection
from stills.contract.errors import CatalogError

CHUNK = 5_000  # rows

Key = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in the order of their keys, the last key, and a digest of them."""

    rows: Sequence[Sequence[Any]]
    last: Key
    digest: str


_COLUMN_TYPES = """
SELECT column_name, data_type, collation_name IS DISTINCT FROM 'C' AS is_collated
FROM information_schema.columns
WHERE table_schema = 'stills' AND table_name = :table
"""


class CopiedTable:
    """A query of SQLite whose rows, in the order of their key, fill a table of Postgres."""

    def __init__(
        self,
        source: sqlite3.Connection,
        target: PostgresConnection,
        *,
        name: str,
        query: str,
        key: Sequence[str],
    ) -> None:
        self.name = name
        self._source, self._target = source, target
        self._key = ", ".join(key)
        self._from = f"({query})"
        columns = source.execute(f"SELECT * FROM {self._from} LIMIT 0").description  # noqa: S608
        self._columns = [column[0] for column in columns]
        self._positions = [self._columns.index(column) for column in key]
        types = {row["column_name"]: row for row in target.execute(_COLUMN_TYPES, {"table": name})}
        kinds = [types[column]["data_type"] for column in self._columns]
        self._flags = [position for position, kind in enumerate(kinds) if kind == "boolean"]
        self._fractions = [
            position for position, kind in enumerate(kinds) if kind == "double precision"
        ]
        compared = [
            f"encode(float8send({column}), 'hex')" if kind == "double precision" else column
            for column, kind in zip(self._columns, kinds, strict=True)
        ]
        ordered = ", ".join(
            f'{column} COLLATE "C"' if types[column]["data_type"] == "text" else column
            for column in key
        )
        # The digest of JSON that Python writes in the same form.
        self._digest = f"""SELECT encode(sha256(convert_to(
            '[' || string_agg(json_build_array({", ".join(compared)})::text, ', '
                              ORDER BY {ordered}) || ']', 'UTF8')), 'hex')
        FROM {name}
        WHERE ({ordered}) <= ({{last}})"""  # noqa: S608 - our own names
        self._after = f" AND ({ordered}) > ({{first}})"

    def count(self) -> tuple[int, int]:
        """Return the number of rows in SQLite and in Postgres."""
        (there,) = self._source.execute(f"SELECT count(*) FROM {self._from}").fetchone()  # noqa: S608
        (here,) = self._target.execute(f"SELECT count(*) FROM {self.name}").fetchall()[0]  # noqa: S608
        return there, here

    def read(self, after: Key | None) -> list[list[Any]]:
        """Return the next rows after a key; none after the last.

        Raises:
            CatalogError: one can't be read.
        """
        where, values = self._where_after(after)
        query = f"SELECT * FROM {self._from} {where} ORDER BY {self._key} LIMIT {CHUNK}"  # noqa: S608
        try:
            return list(map(list, self._source.execute(query, values)))
        except (sqlite3.OperationalError, UnicodeDecodeError):
            self._blame_undecodable(after)
            raise

    def chunk(self, rows: list[list[Any]]) -> Chunk:
        """Make a chunk of rows, as Postgres takes them."""
        for position in self._flags:
            for row in rows:
                row[position] = None if row[position] is None else bool(row[position])
        return Chunk(rows, self._key_of(rows[-1]), self._digest_of(rows))

    def write(self, chunk: Chunk, after: Key | None) -> None:
        """Write a chunk in the transaction that was begun, and compare it with what is there then.

        Raises:
            CatalogError: the copy differs.
            psycopg.Error: Postgres refuses a row.
        """
        self._target.copy_rows(self.name, self._columns, chunk.rows)
        if self._digest_there(after, chunk.last) != chunk.digest:
            raise CatalogError(
                f"the copy of {self.name} up to {_shown(chunk.last)} differs from the original",
                action="Drop the schema stills of the new database, and copy again.",
            )

    def blame(self, chunk: Chunk, path: Path) -> None:
        """Find the row of a chunk that Postgres refuses.

        Raises:
            CatalogError: this is the row.
        """
        for row in chunk.rows:
            self._target.run_script("BEGIN")
            try:
                self._target.copy_rows(self.name, self._columns, [row])
            except psycopg.Error as error:
                if self._target.is_lost:
                    raise
                raise _damaged(self.name, self._key_of(row), path, _problem(error)) from error
            finally:
                self._target.roll_back()

    def _blame_undecodable(self, after: Key | None) -> None:
        where, values = self._where_after(after)
        keys = f"SELECT {self._key} FROM {self._from} {where} ORDER BY {self._key} LIMIT {CHUNK}"  # noqa: S608
        one = " AND ".join(f"{column} = ?" for column in self._key.split(", "))
        for key in map(list, self._source.execute(keys, values)):
            try:
                self._source.execute(f"SELECT * FROM {self._from} WHERE {one}", key).fetchall()  # noqa: S608
            except (sqlite3.OperationalError, UnicodeDecodeError) as error:
                path = Path(self._source.execute("PRAGMA database_list").fetchone()["file"])
                raise _damaged(self.name, key, path, "a text is not UTF-8") from error

    def _where_after(self, after: Key | None) -> tuple[str, Sequence[Any]]:
        if after is None:
            return "", []
        return f"WHERE ({self._key}) > ({', '.join('?' * len(after))})", after

    def _key_of(self, row: Sequence[Any]) -> Key:
        return [row[position] for position in self._positions]

    def _digest_of(self, rows: Sequence[Sequence[Any]]) -> str:
        compared = [list(row) for row in rows]
        for position in self._fractions:
            for row in compared:
                value = row[position]
                row[position] = None if value is None else struct.pack(">d", value).hex()
        return hashlib.sha256(json.dumps(compared, ensure_ascii=False).encode()).hexdigest()

    def _digest_there(self, after: Key | None, last: Key) -> str | None:
        values = {f"last{n}": value for n, value in enumerate(last)}
        names = ", ".join(f":{name}" for name in values)
        statement = self._digest.format(last=names)
        if after is not None:
            first = {f"first{n}": value for n, value in enumerate(after)}
            statement += self._after.format(first=", ".join(f":{name}" for name in first))
            values |= first
        digest: str | None = self._target.execute(statement, values).fetchall()[0][0]
        return digest


def _shown(key: Sequence[Any]) -> str:
    return " ".join(str(value)[:40] for value in key)


def _damaged(table: str, key: Sequence[Any], path: Path, problem: str) -> CatalogError:
    return CatalogError(
        f"the row {_shown(key)} of {table} in the catalog {path} can't be copied: {problem}",
        action=(
            "Repair or delete the row, then run the same command again: it continues where it "
            "stopped."
        ),
    )


def _problem(error: psycopg.Error) -> str:
    """Return what is wrong with a row, without the server's text, which quotes the row."""
    if error.diag.constraint_name:
        return f"it violates the constraint {error.diag.constraint_name}"
    if isinstance(error, psycopg.errors.NotNullViolation):
        return f"{error.diag.column_name} is missing"
    if isinstance(error, (psycopg.errors.CharacterNotInRepertoire, psycopg.DataError)):
        return "a value is not of the column's type, or a text contains the character NUL"
    return f"Postgres reports {type(error).__name__}"
