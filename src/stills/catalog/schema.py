"""Opening a catalog file, and migrating it to the schema of this version."""

import logging
import sqlite3
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from stills.catalog.connection import Connection
from stills.catalog.lease import clock, in_lease, lease_end
from stills.catalog.processes import Life, judge
from stills.catalog.sqlite_errors import UnreadableLog, is_locked
from stills.catalog.transaction import transaction
from stills.contract.errors import CatalogError

LOCK_WAIT_SECONDS = 20.0
APPLICATION_ID = 0x5374696C  # "Stil": marks a database as ours
_LOG = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).with_name("migrations")


def open_catalog(path: Path) -> sqlite3.Connection:
    """Open a catalog; create or migrate it if necessary.

    Raises:
        CatalogError: it belongs to another program or a newer Stills.
        sqlite3.Error: it can't be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection)
        # The cost of a call must survive a power cut, so every commit is synced to disk.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a catalog that no process can write, for one read.

    Raises:
        sqlite3.Error: it can't be opened, or its log is not empty.
        CatalogError: it belongs to another program or a newer Stills.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise UnreadableLog("unable to read its log")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        _prepare(connection)
        _refuse_foreign(connection, path)
        version = check_version(connection, path)
        return (
            connection
            if version == len(migration_scripts())
            else _migrate_copy(connection, version)
        )
    except BaseException:
        connection.close()
        raise


def _migrate_copy(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """Return a migrated copy, in memory, of an older Stills' catalog that can't be written."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(copy)
    connection.close()
    _prepare(copy)
    for script in migration_scripts()[version:]:
        _run(copy, script)
    return copy


def is_missing(path: Path) -> bool:
    """Return whether there is no catalog yet, in a folder that could have one.

    Raises:
        OSError: the folder can't be one, or can't be searched.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return True
    return False


def open_in_memory() -> sqlite3.Connection:
    """Make an empty catalog in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _prepare(connection)
    for script in migration_scripts():
        _run(connection, script)
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Let queries use column names, fold case in every script and judge processes."""
    connection.row_factory = sqlite3.Row
    connection.create_function("life_of", 4, _life_of)
    connection.create_function("folded", 1, str.casefold, deterministic=True)
    connection.create_function("unix_now", 0, time.time)
    connection.create_function("in_lease", 2, in_lease)
    connection.create_function("lease_start", 0, clock)
    connection.create_function("lease_end", 1, lease_end)
    # Writers already wait for each other.
    connection.create_function("lock_until_commit", 1, lambda _: None)


def _life_of(scope: str | None, pid: int, started: int | None, _lock_byte: int | None) -> Life:
    return judge(scope, pid, started)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    scripts = migration_scripts()
    _refuse_foreign(connection, path)
    version = check_version(connection, path)
    if version == len(scripts):
        return
    if version == 0:
        _switch_to_wal(connection)
    with transaction(connection):
        # Another process may have migrated while this one waited for the lock.
        version = check_version(connection, path)
        for number, script in enumerate(scripts[version:], start=version + 1):
            _run(connection, script)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if version == 0:
        _LOG.info("created the catalog %s", path.absolute())


def check_version(connection: Connection, path: Path) -> int:
    """Return the schema's version.

    A newer Stills may migrate the catalog while this process has it open, so this is checked again
    in every transaction that claims or records a paid call.

    Raises:
        CatalogError: the schema is newer than this Stills.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    known = len(migration_scripts())
    if version > known:
        raise CatalogError(
            f"the catalog {path} was written by a newer Stills "
            f"(schema {version}; this one supports {known})",
            action="Upgrade Stills, or point STILLS_CATALOG at another file. Nothing was changed.",
        )
    return version


@cache
def migration_scripts() -> Sequence[Path]:
    """Return the scripts that bring a database to each version, the first one first."""
    return sorted(MIGRATIONS.glob("*.sql"))


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Only for this statement, SQLite does not wait while other processes open the new file too.
    give_up_at = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() >= give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    # Tables first: if another process creates the catalog meanwhile, it has both tables and id.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise CatalogError(
            f"{path} is a database of another program",
            action="Point STILLS_CATALOG at another file. Nothing was changed.",
        )


def _run(connection: sqlite3.Connection, script: Path) -> None:
    # executescript() would commit the surrounding transaction.
    statement = ""
    for line in script.read_text(encoding="utf-8").splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
