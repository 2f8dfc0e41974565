"""Copies of a catalog from SQLite to Postgres."""

import sqlite3
from contextlib import closing

import pytest
from tests.support.catalog_steps import SIZE, Till

from stills.catalog import SqliteCatalog
from stills.catalog.postgres import PostgresCatalog
from stills.catalog.postgres.copy import copy_catalog
from stills.contract.access import ApiKey
from stills.contract.errors import Billing, CatalogError
from stills.contract.money import SpendBy
from stills.contract.search import ImageSearch


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
    await copy.close()


async def test_a_database_in_use_is_not_overwritten(filled, postgres_url):
    """Also by a second copy of the same catalog."""
    path, _ = filled
    copy_catalog(path, postgres_url)
    with pytest.raises(CatalogError, match="is not empty"):
        copy_catalog(path, postgres_url)


async def test_a_copy_that_fails_changes_nothing(filled, postgres_url):
    """It can be started again once the fault is gone."""
    path, original = filled
    await original.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE sends SET code = 'nul' || char(0) WHERE number = 4")
        with pytest.raises(CatalogError):
            copy_catalog(path, postgres_url)
        connection.execute("UPDATE sends SET code = 'code' WHERE number = 4")
    assert copy_catalog(path, postgres_url)["sends"] == 4


def test_a_missing_source_is_not_created(tmp_path, postgres_url):
    """A wrong path must not pass for an empty catalog."""
    with pytest.raises(CatalogError, match="no catalog"):
        copy_catalog(tmp_path / "none.db", postgres_url)
    assert not (tmp_path / "none.db").exists()
