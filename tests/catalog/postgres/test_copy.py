"""Copies of a catalog from SQLite to Postgres."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import million
import psycopg
import pytest
from tests.support.catalog_steps import SIZE, Till

from stills.catalog import SqliteCatalog
from stills.catalog.postgres import PostgresCatalog
from stills.catalog.postgres.copy import TABLES, copy_catalog
from stills.catalog.schema import open_catalog
from stills.contract.access import ApiKey
from stills.contract.errors import Billing, CatalogError
from stills.contract.postgres_url import PostgresUrl
from stills.contract.search import ImageSearch
from stills.contract.spending import SpendBy

IMAGES = 12_000
MAIN_TABLES = ("generations", "sends", "renditions", "requests", "answers")


async def expect_unfinished(url: PostgresUrl) -> None:
    """Check that the catalog can't be used."""
    catalog = PostgresCatalog(url)
    with pytest.raises(CatalogError, match="unfinished copy"):
        await catalog.find("a", SIZE)
    await catalog.close()


def copied_rows(url: PostgresUrl, table: str) -> int:
    """Return how many rows of a table an unfinished copy has."""
    with psycopg.connect(url.secret, autocommit=True) as connection:
        try:
            query = "SELECT number FROM stills.copied WHERE name = %s"
            row = connection.execute(query, [table]).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return row[0] if row else 0


def indexes_and_references(url: PostgresUrl) -> set[str]:
    """Return what a copy drops and makes again."""
    with psycopg.connect(url.secret) as connection:
        rows = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'stills' UNION ALL "
            "SELECT concat(conname, conrelid::regclass, pg_get_constraintdef(oid)) "
            "FROM pg_constraint WHERE connamespace = 'stills'::regnamespace UNION ALL "
            "SELECT concat(tgname, tgrelid::regclass, tgenabled) FROM pg_trigger "
            "WHERE NOT tgisinternal"
        )
        return {row[0] for row in rows}


async def of_a_new_catalog(url: PostgresUrl) -> set[str]:
    """Return the same of a catalog that was never copied."""
    with psycopg.connect(url.secret) as connection:
        connection.execute("DROP SCHEMA stills CASCADE")
    catalog = PostgresCatalog(url)
    await catalog.migrate()
    await catalog.close()
    return indexes_and_references(url)


@pytest.fixture
async def filled(tmp_path):
    """A catalog with images, calls of every outcome and a key."""
    path = tmp_path / "stills.db"
    catalog = SqliteCatalog(path)
    till = Till(catalog)
    for key in ("a", "b", "c"):
        await till.buy(key)
    await till.send(await till.claim("lost"), Billing.POSSIBLE)
    await catalog.api_keys.add(ApiKey("a1", "film", "ab" * 32, 5.0, 1.0, 1000.0))
    yield path, catalog
    await catalog.close()


async def test_a_copy_answers_like_the_original(filled, postgres_url):
    """Images, spending, keys and the store's id; new images come after the old ones."""
    path, original = filled
    copied = copy_catalog(path, postgres_url)
    assert (copied["generations"], copied["sends"], copied["api_keys"]) == (4, 4, 1)
    copy = PostgresCatalog(postgres_url)
    for key in ("a", "b", "c", "lost"):
        assert await copy.find(key, SIZE) == await original.find(key, SIZE)
    for by in (None, SpendBy.DAY):
        assert list(await copy.spend(since=0.0, by=by)) == list(
            await original.spend(since=0.0, by=by)
        )
    assert await copy.api_keys.list() == await original.api_keys.list()
    assert await copy.read_store() == await original.read_store()
    search = ImageSearch(text="KITE")
    assert await copy.search_images(search, limit=9, cursor=None) == await original.search_images(
        search, limit=9, cursor=None
    )
    await Till(copy).buy("new")
    newest, *_ = (await copy.search_images(ImageSearch(), limit=1, cursor=None)).images
    assert newest.generation.spec.key == "new"
    (before,), (after,) = (
        await original.spend(since=0.0, by=None),
        await copy.spend(since=0.0, by=None),
    )
    assert after.billed == before.billed + 1  # by triggers, which were off during the copy
    await copy.close()


async def test_a_database_in_use_is_not_overwritten(filled, postgres_url):
    """Also by a second copy of the same catalog."""
    path, _ = filled
    copy_catalog(path, postgres_url)
    with pytest.raises(CatalogError, match="is not empty"):
        copy_catalog(path, postgres_url)


async def test_a_row_that_cannot_be_copied_is_named(filled, postgres_url):
    """Nobody can use the unfinished copy; once the row is repaired, the copy is finished."""
    path, original = filled
    await original.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE sends SET code = 'nul' || char(0) WHERE number = 4")
        with pytest.raises(CatalogError, match=r"row 4 of sends .* can't be copied: .*NUL"):
            copy_catalog(path, postgres_url)
        await expect_unfinished(postgres_url)
        connection.execute("UPDATE sends SET code = 'code' WHERE number = 4")
    assert copy_catalog(path, postgres_url)["sends"] == 4


async def test_a_text_that_is_not_utf8_is_found_without_showing_it(filled, postgres_url):
    """The error names the row, not the prompt."""
    path, original = filled
    await original.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE requests SET prompt = CAST(x'6b697465ff' AS TEXT)")
        (key,) = connection.execute("SELECT min(key) FROM requests").fetchone()
    with pytest.raises(CatalogError, match="is not UTF-8") as error:
        copy_catalog(path, postgres_url)
    assert f"row {key[:40]} of requests" in error.value.message
    assert "kite" not in error.value.message


async def test_rows_without_what_they_refer_to_are_refused(filled, postgres_url):
    """Postgres would not have accepted them one by one either."""
    path, original = filled
    await original.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE sends SET generation_id = 'ffffffffffff' WHERE number = 1")
    with pytest.raises(CatalogError, match="damaged: rows of sends refer to rows"):
        copy_catalog(path, postgres_url)
    await expect_unfinished(postgres_url)


async def test_a_copy_that_differs_is_refused(filled, postgres_url):
    """Here the new database changes what is written to it."""
    path, _ = filled
    catalog = PostgresCatalog(postgres_url)
    await catalog.migrate()
    await catalog.close()
    with psycopg.connect(postgres_url.secret) as connection:
        connection.execute(
            "CREATE FUNCTION shout() RETURNS TRIGGER LANGUAGE plpgsql AS "
            "$$ BEGIN new.prompt := upper(new.prompt); RETURN new; END $$; "
            "CREATE TRIGGER shout BEFORE INSERT ON stills.requests "
            "FOR EACH ROW EXECUTE FUNCTION shout()"
        )
    with pytest.raises(CatalogError, match=r"the copy of requests up to .* differs"):
        copy_catalog(path, postgres_url)
    await expect_unfinished(postgres_url)


async def test_an_unfinished_copy_is_not_mixed_with_another_catalog(filled, postgres_url, tmp_path):
    """The copy continues only from the catalog that it began with."""
    path, original = filled
    await original.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE sends SET code = 'nul' || char(0) WHERE number = 4")
    with pytest.raises(CatalogError):
        copy_catalog(path, postgres_url)
    other = SqliteCatalog(tmp_path / "other.db")
    await other.list_images(limit=1)
    await other.close()
    with pytest.raises(CatalogError, match="unfinished copy of another catalog"):
        copy_catalog(tmp_path / "other.db", postgres_url)


@pytest.mark.parametrize("cut_off_in", ["generations", "requests"])
async def test_a_copy_that_was_killed_goes_on(cut_off_in, tmp_path, postgres_url):
    """The process gets SIGKILL in the middle; then nobody can use the copy until it is finished."""
    path = tmp_path / "large.db"
    original = SqliteCatalog(path)
    await original.list_images(limit=1)
    million.fill(path, IMAGES)
    command = [sys.executable, "-m", "stills", "catalog", "copy", str(path), "-"]
    copying = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    copying.stdin.write(f"{postgres_url.secret}\n".encode())
    copying.stdin.close()
    while not copied_rows(postgres_url, cut_off_in):
        assert copying.poll() is None
    copying.kill()
    assert copying.wait(60) == -signal.SIGKILL
    done = copied_rows(postgres_url, cut_off_in)
    assert 0 < done < IMAGES
    await expect_unfinished(postgres_url)
    steps = []
    copied = copy_catalog(path, postgres_url, steps.append)
    assert {copied[name] for name in MAIN_TABLES} == {IMAGES}
    assert steps[0] > 0
    copy = PostgresCatalog(postgres_url)
    for number in range(0, IMAGES, IMAGES // 7):
        key = f"key {number}"
        assert await copy.find(key, SIZE) == await original.find(key, SIZE)
    for by in SpendBy:
        assert list(await copy.spend(since=0.0, by=by)) == list(
            await original.spend(since=0.0, by=by)
        )
    await Till(copy).buy("new")
    await copy.close()
    await original.close()
    assert indexes_and_references(postgres_url) == await of_a_new_catalog(postgres_url)


def test_every_table_is_copied_or_left_out_on_purpose(tmp_path):
    """A new table must not be forgotten."""
    with closing(open_catalog(tmp_path / "stills.db")) as connection:
        names = {
            row["name"]
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if not row["name"].startswith(("sqlite_", "prompts"))
        }
    assert names - set(TABLES) == {"claims", "sessions", "store", "totals"}


def test_a_missing_source_is_not_created(tmp_path, postgres_url):
    """A wrong path must not pass for an empty catalog."""
    with pytest.raises(CatalogError, match="no catalog"):
        copy_catalog(tmp_path / "none.db", postgres_url)
    assert not (tmp_path / "none.db").exists()
