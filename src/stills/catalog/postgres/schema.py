"""The schema `stills` of a database: create it, or migrate it to this version."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from psycopg import errors

from stills.catalog.postgres.connection import PostgresConnection, server_version
from stills.contract.errors import CatalogError
from stills.contract.postgres_url import PostgresUrl

VERSION_MIN = 140_000
MIGRATIONS = Path(__file__).with_name("migrations")

UNFINISHED_COPY = 1_000_000
"""The version of a catalog while another one is copied into it: no Stills may use it."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('stills migrate', 0))"
# Not to_regclass(): its cache can miss a table that was created while this process waited.
_EXISTS = """
SELECT EXISTS (
    SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'stills' AND tablename = 'schema_version'
)
"""
_VERSION = "SELECT coalesce(max(version), 0) FROM stills.schema_version"
_ADD_VERSION = "INSERT INTO stills.schema_version (version) VALUES (:version)"
_CREATE = """
CREATE SCHEMA IF NOT EXISTS stills;
CREATE TABLE stills.schema_version (
    version    INTEGER PRIMARY KEY,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""
_INDEX_PROMPTS = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX IF NOT EXISTS prompts_by_trigram ON stills.prompts USING gin (prompt gin_trgm_ops)
"""
# The extension is not installed on the server, or only a superuser may enable it.
_NO_EXTENSION = (errors.FeatureNotSupported, errors.UndefinedFile, errors.InsufficientPrivilege)


def migrate(connection: PostgresConnection, url: PostgresUrl) -> int:
    """Bring the database to the schema of this version; returns the schema's version.

    Any number of processes may do this at once.

    Raises:
        CatalogError: the server is too old, or the schema is newer than this Stills.
        psycopg.Error: the database can't be used.
    """
    version = server_version(connection)
    if version < VERSION_MIN:
        raise CatalogError(
            f"the catalog {url.shown} is Postgres {version // 10_000}; Stills needs 14 or newer",
            action="Upgrade the server, or use another one. Nothing was sent.",
        )
    if _read_version(connection, url) == len(migration_scripts()):
        return len(migration_scripts())
    connection.run_script("BEGIN")
    try:
        connection.execute(_LOCK)
        _run_missing(connection, url)
        connection.run_script("COMMIT")
    except BaseException:
        connection.roll_back()
        raise
    return len(migration_scripts())


def _check_version(connection: PostgresConnection, url: PostgresUrl) -> int:
    """Return the schema's version, which is not newer than this Stills."""
    version: int = connection.execute(_VERSION).fetchall()[0][0]
    refuse_newer(version, url)
    return version


def refuse_newer(version: int, url: PostgresUrl) -> None:
    """Check that this Stills knows the schema's version.

    A newer Stills may migrate the database at any time, so this is done in every transaction that
    claims or records a paid call.

    Raises:
        CatalogError: the schema is newer.
    """
    known = len(migration_scripts())
    if version == UNFINISHED_COPY:
        raise CatalogError(
            f"the catalog {url.shown} is the unfinished copy of another one",
            action=(
                "Wait for the end of `stills catalog copy`, or run the same command again if it "
                "was cut off. Nothing was sent."
            ),
        )
    if version > known:
        raise CatalogError(
            f"the catalog {url.shown} was written by a newer Stills "
            f"(schema {version}; this one supports {known})",
            action="Upgrade Stills, or point STILLS_CATALOG elsewhere. Nothing was changed.",
        )


@cache
def migration_scripts() -> Sequence[Path]:
    """Return the scripts that bring a database to each version, the first one first."""
    return sorted(MIGRATIONS.glob("*.sql"))


def _read_version(connection: PostgresConnection, url: PostgresUrl) -> int:
    exists = connection.execute(_EXISTS).fetchall()[0][0]
    return _check_version(connection, url) if exists else 0


def _run_missing(connection: PostgresConnection, url: PostgresUrl) -> None:
    """Run the migrations that are missing, under the lock."""
    before = _read_version(connection, url)
    if before == 0:
        encoding = connection.execute("SHOW server_encoding").fetchall()[0][0]
        if encoding != "UTF8":
            raise CatalogError(
                f"the database of the catalog {url.shown} has the encoding {encoding}",
                action="Create one with ENCODING 'UTF8' TEMPLATE template0. Nothing was changed.",
            )
        connection.run_script(_CREATE)
    missing = migration_scripts()[before:]
    for number, script in enumerate(missing, start=before + 1):
        connection.run_script(script.read_text(encoding="utf-8"))
        connection.execute(_ADD_VERSION, {"version": number})
    if missing:
        _index_prompts(connection)


def _index_prompts(connection: PostgresConnection) -> None:
    """Index prompts if the server has pg_trgm; without it, a search reads every prompt."""
    connection.run_script("SAVEPOINT before_index")
    try:
        connection.run_script(_INDEX_PROMPTS)
    except _NO_EXTENSION:
        connection.run_script("ROLLBACK TO SAVEPOINT before_index")
