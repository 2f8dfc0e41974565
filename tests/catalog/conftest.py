"""A till, and a clock; the modules of this folder can be imported, which importlib mode forgets."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stills.catalog import SqliteCatalog, answers, claims, sqlite

sys.path.append(str(Path(__file__).parent))

from till import Clock, Till


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still, a second before midnight UTC."""
    clock = Clock()
    for module in (sqlite, claims, answers):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """A till with nothing in it."""
    catalog = SqliteCatalog(tmp_path / "stills.db")
    yield Till(catalog)
    await catalog.close()
