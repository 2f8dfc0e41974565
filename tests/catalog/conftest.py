"""A catalog with steps to buy images, and a stopped clock."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.catalog_steps import Clock, Till

from stills.catalog import SqliteCatalog, claims, requests, schema


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A stopped clock, one second before midnight UTC."""
    clock = Clock()
    for module in (claims, requests, schema):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """A till with an empty catalog."""
    catalog = SqliteCatalog(tmp_path / "stills.db")
    yield Till(catalog)
    await catalog.close()


@pytest.fixture
async def made(tmp_path: Path) -> Path:
    """A new catalog, closed."""
    path = tmp_path / "stills.db"
    catalog = SqliteCatalog(path)
    await catalog.list_images(limit=1)
    await catalog.close()
    return path
