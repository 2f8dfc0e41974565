"""SQLite failures: a clear error, no change on disk, and a responsive event loop."""

import asyncio
import re
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.catalog_steps import SIZE, Till, asked

from stills.catalog import SqliteCatalog, database, schema
from stills.catalog.database import SqliteDatabase
from stills.contract.errors import CatalogDamaged, CatalogError
from stills.contract.generation import Claim

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8192)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "stills.db"


async def refusal(path: Path) -> CatalogError:
    """Return the error of using a catalog."""
    catalog = SqliteCatalog(path)
    try:
        with pytest.raises(CatalogError, match=re.escape(str(path))) as caught:
            await catalog.list_images(limit=1)
    finally:
        await catalog.close()
    assert "\n" not in caught.value.message
    return caught.value


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("content", [PNG, b"#!/bin/sh\n" * 200, b"SQLite format 3\0" + PNG])
async def test_a_file_that_is_not_a_database_is_left_unchanged(path, tmp_path, content):
    """The error calls it damaged and says what to do."""
    path.write_bytes(content)
    before = tree(tmp_path)
    error = await refusal(path)
    assert "damaged" in error.message
    assert "images are untouched" in error.action
    assert tree(tmp_path) == before


async def test_an_empty_file_becomes_a_catalog(path):
    """It contains nothing to lose."""
    path.touch()
    catalog = SqliteCatalog(path)
    assert list(await catalog.list_images(limit=1)) == []
    await catalog.close()


async def test_a_catalog_for_looking_is_created_by_its_first_write(path, tmp_path):
    """Until then, it is empty and leaves nothing on disk, and a wrong folder is an error."""
    catalog = SqliteCatalog(path, creates_to_read=False)
    assert list(await catalog.list_images(limit=1)) == []
    assert tree(tmp_path) == {}
    await catalog.migrate()
    assert path.is_file()
    assert list(await catalog.list_images(limit=1)) == []
    await catalog.close()
    wrong = SqliteCatalog(path / "below" / "stills.db", creates_to_read=False)
    with pytest.raises(CatalogError, match="Not a directory"):
        await wrong.list_images(limit=1)
    await wrong.close()


async def test_a_damaged_page_is_reported(made, tmp_path):
    """A catalog with overwritten pages fails clearly and is not written to."""
    raw = bytearray(made.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    made.write_bytes(raw)
    before = tree(tmp_path)
    assert "damaged" in (await refusal(made)).message
    assert tree(tmp_path) == before


def overwrite(path: Path, text: bytes, other: bytes) -> None:
    """Overwrite bytes of the file."""
    raw = path.read_bytes()
    assert text in raw
    path.write_bytes(raw.replace(text, other))


DAMAGE = {
    "a table's name is not UTF-8": (b"CREATE TABLE generations", b"CREATE TABLE generation\xff"),
    "a column's name is not UTF-8": (b"seeded_key       TEXT", b"seeded_ke\xff       TEXT"),
    "a keyword of the schema is not UTF-8": (b"CREATE TABLE", b"CREATE \xffABLE"),
    "an index's name is not UTF-8": (b"sends_by_time", b"sends_by_tim\xff"),
    "a column is renamed": (b"seeded_key       TEXT", b"seeded_kex       TEXT"),
    "a prompt is not UTF-8": (b"a red kite", b"a red kit\xff"),
    "a sent text is not UTF-8": (b"a kite as sent", b"a kite as sen\xff"),
    "notes are not JSON": (b'["a note"]', b'["a note"}'),
    "a stage is unknown": (b"failed", b"faileD"),
}


# No query reads a failed generation, or an index by its name.
UNREAD = {"a stage is unknown", "an index's name is not UTF-8"}


async def make_damaged(path: Path, kind: str) -> Claim:
    """Make a catalog with one failed generation, and damage it."""
    catalog = SqliteCatalog(path)
    claim = await Till(catalog).claim("key", prompt="a red kite", text="a kite as sent")
    await catalog.record_note(claim.generation.id, "a note")
    await catalog.release(claim)
    await catalog.close()
    execute(path, "VACUUM")
    overwrite(path, *DAMAGE[kind])
    return claim


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_that_sqlite_does_not_see_is_found_before_a_rebuild(path, kind):
    """The damaged file is set aside, and a new catalog replaces it."""
    await make_damaged(path, kind)
    catalog = SqliteCatalog(path)
    aside = await catalog.set_aside_if_damaged()
    assert aside is not None
    assert list(await catalog.list_images(limit=1)) == []
    await catalog.close()


@pytest.mark.parametrize("kind", sorted(DAMAGE.keys() - UNREAD))
async def test_damage_that_sqlite_does_not_see_is_reported_when_it_is_read(path, kind):
    """As damage, with what to do, and never as Python's decoding error."""
    claim = await make_damaged(path, kind)
    catalog = SqliteCatalog(path)
    with pytest.raises(CatalogDamaged, match="is damaged") as caught:
        await read_everything(catalog, claim)
    assert "\n" not in caught.value.message
    assert "kit" not in caught.value.message  # a prompt may be long, and have lines
    assert "recover --rebuild" in caught.value.action
    await catalog.close()


async def read_everything(catalog: SqliteCatalog, claim: Claim) -> None:
    await catalog.find("key", SIZE)
    await catalog.list_unfinished()
    await catalog.record_kept(claim.generation.id, sha256="00", byte_count=1, object_path="a.png")


async def test_an_intact_catalog_is_not_set_aside(made):
    """Not even with an added trigger and table."""
    execute(
        made,
        "CREATE TABLE theirs (x)",
        "CREATE TRIGGER t BEFORE INSERT ON requests BEGIN SELECT 1; END",
    )
    catalog = SqliteCatalog(made)
    assert await catalog.set_aside_if_damaged() is None
    await catalog.close()


@pytest.mark.parametrize("version", range(1, len(schema.migration_scripts())))
async def test_a_read_only_older_catalog_is_read(path, version, tmp_path):
    """As if it were migrated; nothing is written."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        for script in schema.migration_scripts()[:version]:
            connection.executescript(script.read_text())
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
    before = tree(tmp_path)
    with (
        closing(schema.open_read_only(path)) as old,
        closing(schema.open_in_memory()) as new,
    ):
        for connection in (old, new):
            assert connection.execute("SELECT * FROM generations").fetchall() == []
        columns = "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
        assert set(map(tuple, old.execute(columns))) == set(map(tuple, new.execute(columns)))
    assert tree(tmp_path) == before


async def test_a_catalog_of_a_newer_version_is_refused(made, tmp_path):
    """The error names both versions, and nothing changes."""
    execute(made, "PRAGMA user_version = 999")
    before = tree(tmp_path)
    error = await refusal(made)
    assert "newer Stills (schema 999; this one supports" in error.message
    assert "Upgrade" in error.action
    assert tree(tmp_path) == before


def test_migrations_are_numbered_without_gaps():
    """A duplicate number would migrate catalogs in different orders."""
    numbers = [int(script.name.partition("_")[0]) for script in schema.migration_scripts()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_read_only_newer_catalog_is_refused(made, tmp_path):
    """Its tables may differ, so nothing is read from it."""
    execute(made, "PRAGMA user_version = 999")
    before = tree(tmp_path)
    with pytest.raises(CatalogError, match=r"newer Stills \(schema 999"):
        schema.open_read_only(made)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("version", [0, 1, 2, 999])
async def test_a_database_of_another_program_is_refused(path, tmp_path, version):
    """Regardless of its version number."""
    execute(path, "CREATE TABLE theirs (x)", f"PRAGMA user_version = {version}")
    before = tree(tmp_path)
    error = await refusal(path)
    assert "database of another program" in error.message
    assert "STILLS_CATALOG" in error.action
    assert tree(tmp_path) == before


async def test_a_folder_that_can_t_be_created_is_reported(tmp_path):
    """The path is below a file."""
    (tmp_path / "file").write_text("in the way")
    assert "can't be used" in (await refusal(tmp_path / "file" / "below" / "stills.db")).message


async def test_an_error_of_the_system_is_its_own_reason(tmp_path, monkeypatch):
    """Only for SQLite's errors, which don't say why, is the volume looked at."""
    monkeypatch.setattr(database, "find_write_problem", lambda _: "the volume is full")
    (tmp_path / "file").write_text("in the way")
    message = (await refusal(tmp_path / "file" / "below" / "stills.db")).message
    assert "Not a directory" in message
    assert "volume" not in message


async def test_a_path_that_is_a_folder_is_reported(tmp_path):
    """The folder stays empty."""
    (tmp_path / "stills.db").mkdir()
    assert "can't be used" in (await refusal(tmp_path / "stills.db")).message
    assert list(tree(tmp_path)) == ["stills.db"]


async def test_only_a_catalog_that_nobody_can_write_is_read_without_its_newest_writes(
    made, monkeypatch
):
    """Not one that this process fails to open, because it has too many open files for instance."""

    def fail(_: Path) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(schema, "open_catalog", fail)
    assert "unable to open" in (await refusal(made)).message


async def test_the_catalog_works_again_after_an_error(path):
    """Once its cause is gone, the same catalog works."""
    path.write_bytes(PNG)
    catalog = SqliteCatalog(path)
    with pytest.raises(CatalogError):
        await catalog.list_images(limit=1)
    path.unlink()
    assert list(await catalog.list_images(limit=1)) == []
    await catalog.close()


async def test_a_lock_that_is_not_released_is_reported(made, monkeypatch):
    """After the wait, the error says to close the program that holds it; nothing was written."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.1)
    catalog = SqliteCatalog(made)
    with closing(sqlite3.connect(made, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogError, match="is locked by another process") as caught:
            await catalog.record_note("none", "note")
        assert "Close the program" in caught.value.action
        other.execute("ROLLBACK")
    await catalog.record_note("none", "note")
    await catalog.close()


async def test_waiting_work_is_done_after_its_caller_was_cancelled(made):
    """A cancelled write must not be lost: it may be the link of a paid image."""
    busy, gate, done = SqliteDatabase(made), threading.Event(), []
    first = asyncio.create_task(busy.read(lambda _: gate.wait(20)))
    second = asyncio.create_task(busy.write(lambda _: done.append("written")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first
    await busy.close()
    assert done == ["written"]


async def test_the_event_loop_runs_while_another_holds_the_lock(made):
    """The catalog's own thread waits for the lock; then the write succeeds."""
    catalog = SqliteCatalog(made)
    await catalog.list_images(limit=1)
    with closing(sqlite3.connect(made, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(catalog.record_note("none", "note"))
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not writing.done()
        other.execute("ROLLBACK")
    async with asyncio.timeout(20):
        await writing
    await catalog.close()


async def test_every_commit_reaches_the_disk(made):
    """The cost of a call must survive a power failure."""
    with closing(schema.open_catalog(made)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


async def test_a_catalog_that_another_process_writes_can_be_read(path, monkeypatch):
    """A long write elsewhere delays no answer from the catalog."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.1)
    catalog = SqliteCatalog(path)
    await Till(catalog).buy("a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(await catalog.list_images(limit=9)) == 1
    await catalog.close()


async def test_a_request_is_recorded_with_its_references(path):
    """For queries of one's own: no other table says which references a request named."""
    catalog = SqliteCatalog(path)
    till = Till(catalog)
    rendition = await till.buy("a")
    named = replace(asked("a"), references=("anna.png", "https://images.example/boat.png"))
    await catalog.record_requests([(rendition, named)])
    await catalog.close()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT reference FROM requests ORDER BY reference").fetchall()
    assert rows == [(None,), ("anna.png\nhttps://images.example/boat.png",)]


async def test_the_first_answer_is_counted_as_paid_and_the_others_as_saved(path):
    """For queries of one's own: how often a request was made, and how often it cost money."""
    catalog = SqliteCatalog(path)
    till = Till(catalog)
    rendition = await till.buy("a")
    for _ in range(2):
        await catalog.record_requests([(rendition, asked("a"))])
    await catalog.close()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sum(paid), sum(cached) FROM answers").fetchall()
    assert rows == [(1, 2)]


def test_the_catalog_knows_its_own_files(tmp_path):
    """So that no output is written over them, also before they exist."""
    catalog = SqliteCatalog(tmp_path / "stills.db")
    for name in ("stills.db", "stills.db-wal", "stills.db-shm", "stills.db-holders"):
        assert catalog.name_of_file(tmp_path / name) == name
    assert catalog.name_of_file(tmp_path / "other.db") is None
