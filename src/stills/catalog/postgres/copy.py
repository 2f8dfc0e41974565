"""Copy a catalog from SQLite to Postgres, in chunks, so that a copy that was cut off can continue.

Until it is complete, the new catalog has the version UNFINISHED_COPY, and no process uses it: its
missing images would be paid for again. Indexes and foreign keys are made at the end, which takes a
fraction of the time. Two connections write at once: the server uses one core for each.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import psycopg

from stills.catalog.postgres.connection import PostgresConnection, connect
from stills.catalog.postgres.copied_table import Chunk, CopiedTable, Key
from stills.catalog.postgres.errors import failed, unreachable
from stills.catalog.postgres.schema import UNFINISHED_COPY, migrate, migration_scripts
from stills.catalog.schema import open_catalog
from stills.contract.errors import CatalogError
from stills.contract.postgres_url import PostgresUrl

# In the order of their references. Claims are left out, because their leases are valid on one
# machine, and sessions, because browsers can log in again.
TABLES = (
    "generations",
    "sends",
    "renditions",
    "requests",
    "answers",
    "limiter_states",
    "api_keys",
    "replies",
    "job_totals",
    "batch_folders",
)
PROMPTS = "prompts"
_PROMPTS = """
SELECT sequence AS rowid, folded(prompt) AS prompt FROM generations WHERE stage = 'kept'
"""
WRITERS = 2
_COUNTERS = (("generations", "sequence"), ("sends", "number"))

_START_OVER = "Drop the schema stills of the new database to start over."

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('stills copy', 0))"
_IS_BEGUN = """
SELECT EXISTS (
    SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'stills' AND tablename = 'copied'
)
"""
_BEGIN = """
CREATE TABLE copied (name TEXT PRIMARY KEY, last_key TEXT NOT NULL, number BIGINT NOT NULL);
CREATE TABLE copied_from AS SELECT id AS store, 0 AS version FROM store LIMIT 0;
CREATE TABLE dropped (
    number BIGINT GENERATED ALWAYS AS IDENTITY, statement TEXT NOT NULL, is_index BOOLEAN NOT NULL
);
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'stills'::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)
"""
_REFERENCES = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS removal,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
              pg_get_constraintdef(oid)) AS definition
FROM pg_constraint
WHERE contype = 'f' AND connamespace = 'stills'::regnamespace
"""
_NOTE = "INSERT INTO dropped (statement, is_index) VALUES (:definition, :is_index)"
_DROPPED = "SELECT number, statement FROM dropped WHERE is_index = :is_index ORDER BY number"
_PROGRESS = """
INSERT INTO copied (name, last_key, number) VALUES (:name, :last_key, :number)
ON CONFLICT (name) DO UPDATE SET last_key = excluded.last_key, number = excluded.number
"""
_TOTALS = """
INSERT INTO partial_totals (
    day, part, provider, model, style, payer, kind, images, nano_usd, unpriced
)
VALUES (:day, 0, :provider, :model, :style, :payer, :kind, :images, :nano_usd, :unpriced)
"""

T = TypeVar("T")

OnRows = Callable[[int], None]
"""Called with the number of rows that are copied so far."""


def copy_catalog(
    source: Path, target: PostgresUrl, on_rows: OnRows = lambda _: None
) -> Mapping[str, int]:
    """Copy a catalog that no process uses into an empty database; returns the rows per table.

    A copy that was cut off or refused continues where it stopped.

    Raises:
        CatalogError: one of them can't be used, the target is not empty, a row can't be copied, or
            the copy differs.
    """
    if not source.is_file():
        raise CatalogError(f"there is no catalog {source}", action="Check the path.")
    connections: list[PostgresConnection] = []
    with ExitStack() as stack:
        try:
            for _ in range(WRITERS):
                connections.append(connect(target))
                stack.callback(connections[-1].close)
        except psycopg.Error as error:
            raise unreachable(target, error) from error
        try:
            rows = stack.enter_context(closing(open_catalog(source)))
            rows.execute("BEGIN")
            return _Copy(source, rows, connections, target, on_rows).run()
        except psycopg.Error as error:
            is_lost = any(connection.is_lost for connection in connections)
            raise failed(target, error, is_lost=is_lost) from error
        except (sqlite3.Error, OSError) as error:
            raise CatalogError(f"the catalog {source} can't be read: {error}") from error


class _Copy:
    def __init__(
        self,
        path: Path,
        source: sqlite3.Connection,
        targets: Sequence[PostgresConnection],
        url: PostgresUrl,
        on_rows: OnRows,
    ) -> None:
        self._path, self._source, self._targets, self._url = path, source, targets, url
        self._target = targets[0]
        self._on_rows = on_rows
        self._copied: dict[str, int] = {}  # rows by table
        self._lock = threading.Lock()  # of the source and of the count
        self._stopped = threading.Event()

    def run(self) -> Mapping[str, int]:
        target = self._target
        if not target.execute(_LOCK).fetchall()[0][0]:
            raise CatalogError(
                f"another copy into the catalog {self._url.shown} is running",
                action="Wait for its end. Nothing was changed.",
            )
        for each in self._targets:
            # A power cut may cost the last chunks; they are copied again.
            each.run_script(
                "SET statement_timeout = 0; SET synchronous_commit = off; "
                "SET maintenance_work_mem = '256MB'"
            )
        if target.execute(_IS_BEGUN).fetchall()[0][0]:
            self._check_source()
        else:
            migrate(target, self._url)
            self._transact(target, self._begin)
        self._share(self._copy, (*TABLES, PROMPTS))
        counts = self._compare_counts()
        indexes = target.execute(_DROPPED, {"is_index": True}).fetchall()
        self._share(self._restore_index, indexes)
        self._transact(target, self._finish)
        target.run_script("ANALYZE generations, sends, renditions, requests, answers, prompts")
        return counts

    def _share(self, work: Callable[[PostgresConnection, T], None], items: Iterable[T]) -> None:
        """Do work on each item, on all connections at once."""
        waiting: SimpleQueue[T] = SimpleQueue()
        for item in items:
            waiting.put(item)

        def run(target: PostgresConnection) -> None:
            while not self._stopped.is_set():
                try:
                    item = waiting.get_nowait()
                except Empty:
                    return
                work(target, item)

        with ThreadPoolExecutor(len(self._targets)) as pool:
            try:
                for done in as_completed([pool.submit(run, target) for target in self._targets]):
                    done.result()
            except BaseException:
                self._stopped.set()
                raise

    def _check_source(self) -> None:
        begun = self._target.execute("SELECT store, version FROM copied_from").fetchall()[0]
        if begun["store"] != self._store()["id"]:
            raise CatalogError(
                f"the catalog {self._url.shown} is an unfinished copy of another catalog",
                action=f"Name that catalog. {_START_OVER}",
            )
        if begun["version"] != len(migration_scripts()):
            raise CatalogError(
                f"the copy into the catalog {self._url.shown} was begun by another version of "
                "Stills",
                action=f"Finish it with that version. {_START_OVER}",
            )

    def _begin(self) -> None:
        target = self._target
        target.run_script(
            "LOCK TABLE schema_version, generations, sends, answers, claims IN EXCLUSIVE MODE"
        )
        if target.execute("SELECT 1 FROM generations LIMIT 1").fetchone() is not None:
            raise CatalogError(
                f"the catalog {self._url.shown} is not empty",
                action="Copy into a new database. Nothing was changed.",
            )
        target.run_script(_BEGIN)
        target.execute(
            "INSERT INTO copied_from VALUES (:store, :version)",
            {"store": self._store()["id"], "version": len(migration_scripts())},
        )
        target.execute(
            "INSERT INTO schema_version (version) VALUES (:version)", {"version": UNFINISHED_COPY}
        )
        indexes = target.execute(_INDEXES).fetchall()
        references = target.execute(_REFERENCES).fetchall()
        for rows, is_index in ((indexes, True), (references, False)):
            target.executemany(
                _NOTE, [{"definition": row["definition"], "is_index": is_index} for row in rows]
            )
        for row in references:
            target.run_script(row["removal"])
        for row in indexes:
            target.run_script(f"DROP INDEX {row['name']}")
        self._set_triggers("DISABLE")

    def _table(self, name: str, target: PostgresConnection) -> CopiedTable:
        if name == PROMPTS:
            return CopiedTable(self._source, target, name=name, query=_PROMPTS, key=["rowid"])
        columns = self._source.execute(f"PRAGMA table_info({name})").fetchall()
        key = sorted((column for column in columns if column["pk"]), key=lambda one: one["pk"])
        return CopiedTable(
            self._source,
            target,
            name=name,
            query=f"SELECT * FROM {name}",  # noqa: S608 - our own names
            key=[column["name"] for column in key],
        )

    def _copy(self, target: PostgresConnection, name: str) -> None:
        with self._lock:
            table = self._table(name, target)
        progress = target.execute(
            "SELECT last_key, number FROM copied WHERE name = :name", {"name": name}
        ).fetchone()
        after = None if progress is None else json.loads(progress["last_key"])
        number = 0 if progress is None else progress["number"]
        while not self._stopped.is_set():
            with self._lock:
                self._copied[name] = number
                self._on_rows(sum(self._copied.values()))
                rows = table.read(after)
            if not rows:
                return
            chunk = table.chunk(rows)
            number += len(chunk.rows)
            self._copy_chunk(target, table, chunk, after, number)
            after = chunk.last

    def _copy_chunk(
        self,
        target: PostgresConnection,
        table: CopiedTable,
        chunk: Chunk,
        after: Key | None,
        number: int,
    ) -> None:
        """Write a chunk and how far the copy is then, in one transaction."""

        def write() -> None:
            # The tables have no statistics yet, and each chunk would be looked for in all rows.
            target.run_script("SET LOCAL enable_seqscan = off")
            table.write(chunk, after)
            last_key = json.dumps(chunk.last)
            progress = {"name": table.name, "last_key": last_key, "number": number}
            target.execute(_PROGRESS, progress)

        try:
            self._transact(target, write)
        except psycopg.Error:
            if not target.is_lost:
                table.blame(chunk, self._path)
            raise

    def _compare_counts(self) -> Mapping[str, int]:
        counts = {name: self._table(name, self._target).count() for name in (*TABLES, PROMPTS)}
        for name, (original, copied) in counts.items():
            if original != copied:
                raise CatalogError(
                    f"the copy has {copied} rows of {original} in {name}: the original was "
                    "changed meanwhile",
                    action=f"Stop all processes that use it. {_START_OVER}",
                )
        return {name: copied for name, (_, copied) in counts.items() if name in TABLES}

    def _restore_index(self, target: PostgresConnection, dropped: Any) -> None:  # noqa: ANN401 - a row
        def restore() -> None:
            target.run_script(dropped["statement"])
            target.execute(
                "DELETE FROM dropped WHERE number = :number", {"number": dropped["number"]}
            )

        self._transact(target, restore)

    def _finish(self) -> None:
        target = self._target
        target.run_script("SET LOCAL synchronous_commit = on")
        for row in target.execute(_DROPPED, {"is_index": False}).fetchall():
            self._restore_reference(row["statement"])
        self._set_triggers("ENABLE")
        totals = (dict(row) for row in self._source.execute("SELECT * FROM totals"))
        target.executemany(_TOTALS, totals)
        store = self._store()
        target.execute(
            "UPDATE store SET id = :id, confirmed = :confirmed",
            {"id": store["id"], "confirmed": bool(store["confirmed"])},
        )
        for table_name, column in _COUNTERS:
            target.run_script(
                f"SELECT setval(pg_get_serial_sequence('{table_name}', '{column}'), "  # noqa: S608 - our own names
                f"(SELECT coalesce(max({column}), 0) + 1 FROM {table_name}), FALSE)"
            )
        target.run_script("DROP TABLE copied, copied_from, dropped")
        target.execute(
            "DELETE FROM schema_version WHERE version = :version", {"version": UNFINISHED_COPY}
        )

    def _restore_reference(self, statement: str) -> None:
        try:
            self._target.run_script(statement)
        except psycopg.errors.ForeignKeyViolation as error:
            raise CatalogError(
                f"the catalog {self._path} is damaged: rows of {error.diag.table_name} refer to "
                f"rows that it does not have ({error.diag.constraint_name})",
                action="Repair it, then run the same command again. " + _START_OVER,
            ) from error

    def _set_triggers(self, state: str) -> None:
        for name in ("sends", "answers"):
            self._target.run_script(f"ALTER TABLE {name} {state} TRIGGER USER")

    def _store(self) -> Any:  # noqa: ANN401 - a row
        return self._source.execute("SELECT id, confirmed FROM store").fetchone()

    def _transact(self, target: PostgresConnection, work: Callable[[], None]) -> None:
        target.run_script("BEGIN")
        try:
            work()
            target.run_script("COMMIT")
        except BaseException:
            target.roll_back()
            raise
