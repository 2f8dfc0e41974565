"""Health: both probes respond soon, in any state of catalog and store."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from tests.support.running_service import serving

from stills.app import Stills
from stills.catalog import schema
from stills.contract.request import ImageRequest
from stills.http.routes import health
from stills.http.settings import Settings
from stills.store import open_store


class SilentStore:
    """A store that hangs after it was opened."""

    def __init__(self, location: str) -> None:
        self._store = open_store(location)
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def paths(self, folder: str) -> Sequence[str]:
        del folder
        self.asked += 1
        await asyncio.Event().wait()
        return []


async def test_a_store_that_hangs_is_reported_soon_and_checked_once(
    stills: Stills,
    make_stills: Callable[..., Awaitable[Stills]],
    http: aiohttp.ClientSession,
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Probes every few seconds must not pile up, nor keep the service from stopping."""
    monkeypatch.setattr(health, "READY_SECONDS", 0.2)
    await stills.generate(ImageRequest(prompt="a red kite", size="512*512"))
    store = SilentStore(str(tmp_path / "images"))

    async def probe(url: str) -> int:
        async with http.get(f"{url}/readyz") as answer:
            assert "did not respond within 0.2 s" in await answer.text()
            return answer.status

    async with (
        asyncio.timeout(60),
        serving(await make_stills(store=store), Settings(model="qwen-image-max")) as url,
    ):
        assert await asyncio.gather(*(probe(url) for _ in range(20))) == [503] * 20
        assert await probe(url) == 503
        async with http.get(f"{url}/healthz") as answer:
            assert answer.status == 200
    assert store.asked == 1


async def readiness(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with http.get(f"{url}/readyz") as answer:
        return answer.status, (await answer.json()).get("error", {}).get("code", "")


async def test_an_unmounted_disk_makes_the_service_unready(
    url: str, http: aiohttp.ClientSession, tmp_path: Path
):
    """The bare mount point must not be written to; once mounted again, the service is ready."""
    assert await readiness(http, url) == (200, "")
    away = (tmp_path / "images").rename(tmp_path / "away")
    (tmp_path / "images").mkdir()
    assert await readiness(http, url) == (503, "wrong_store")
    (tmp_path / "images").rmdir()
    away.rename(tmp_path / "images")
    assert await readiness(http, url) == (200, "")


async def test_a_read_only_catalog_makes_the_service_unready(
    url: str, http: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Generating needs more than reading; the reason is in the log."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.2)
    with closing(sqlite3.connect(tmp_path / "stills.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await readiness(http, url) == (503, "catalog")
        other.execute("ROLLBACK")
    assert await readiness(http, url) == (200, "")


async def test_probes_are_allowed_from_anywhere(url: str, http: aiohttp.ClientSession):
    """Also without keys and under other host names: probes learn nothing else."""
    for path in ("/healthz", "/readyz"):
        async with http.get(f"{url}{path}", headers={"Host": "10.0.0.7:8000"}) as answer:
            assert answer.status == 200
