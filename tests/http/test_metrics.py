"""Metrics: what is counted, also if clients disconnect and workers end."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from stills.app import Stills
from stills.http.paths import normalize_route
from stills.http.routes import health
from stills.sandbox import Fault, FaultKind, Sandbox

KITE = {"prompt": "a red kite", "size": "512*512"}
COUNT_IN_A_WORKER = """
from stills.http.metrics import Metrics
import sys
metrics = Metrics(sys.argv[1])
metrics.set_queue_length(5)
metrics.count_request("GET", "/healthz", 200, 0.1)
"""


async def numbers(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    async with http.get(f"{url}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.parametrize(
    ("kind", "billed_usd", "possible_usd"),
    [
        (FaultKind.DROP_AFTER, 0.0, 0.075),
        (FaultKind.DEAD_URL, 0.075, 0.0),
        (FaultKind.CONTENT_REFUSED, 0.0, 0.0),
    ],
)
async def test_failed_calls_are_counted_by_their_billing(
    url: str, http: aiohttp.ClientSession, sandbox: Sandbox, kind, billed_usd, possible_usd
):
    """Each API call counts as in the ledger; an error does not hide money."""
    sandbox.set_faults(Fault(kind, times=None))
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        assert answer.status >= 400
    metrics = await numbers(http, url)
    billed, possible = (
        metrics[f'stills_{kind}_usd_total{{model="qwen-image-max"}}']
        for kind in ("billed", "possibly_billed")
    )
    assert (billed, possible) == (billed_usd, possible_usd)


async def test_money_and_images_are_counted_from_0(url: str, http: aiohttp.ClientSession):
    """Prometheus sees no increase in a number that was never there before."""
    metrics = await numbers(http, url)
    for model in ("qwen-image-max", "qwen-image-2.0"):
        for name in ("billed", "possibly_billed", "saved"):
            assert metrics[f'stills_{name}_usd_total{{model="{model}"}}'] == 0
        for labels in (f'answered="billed",model="{model}"', f'answered="catalog",model="{model}"'):
            assert metrics[f"stills_images_total{{{labels}}}"] == 0
        for billing in ("billed", "possible", "saved"):
            labels = f'billing="{billing}",model="{model}"'
            assert metrics[f"stills_unpriced_images_total{{{labels}}}"] == 0


async def test_every_documented_route_has_a_label(url: str, http: aiohttp.ClientSession):
    """None is counted with the addresses that do not exist."""
    async with http.get(f"{url}/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    assert "other" not in {normalize_route(path) for path in paths}


async def test_metrics_are_shown_without_the_catalog(
    url: str, http: aiohttp.ClientSession, tmp_path: Path
):
    """Money that was counted is still seen; only the rate limit keeps its last value."""
    async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
        assert answer.status == 200
    with closing(sqlite3.connect(tmp_path / "stills.db", isolation_level=None)) as catalog:
        catalog.execute("ALTER TABLE limiter_states RENAME TO gone")
    metrics = await numbers(http, url)
    assert metrics['stills_billed_usd_total{model="qwen-image-max"}'] == 0.075


async def test_metrics_do_not_wait_for_a_catalog_that_hangs(
    url: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    """A Postgres that is away may keep a query for a minute; Prometheus waits ten seconds."""
    asked = []

    async def hang(*_: object, **__: object) -> None:
        asked.append(1)
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "RATE_SECONDS", 0.1)
    monkeypatch.setattr(Stills, "quota", hang)
    async with asyncio.timeout(30):
        for _ in range(3):
            assert "stills_queue" in await numbers(http, url)
    assert len(asked) == 1


async def test_money_adds_up_without_noise(url: str, http: aiohttp.ClientSession):
    """Three answers from the catalog save 0.225 USD, not 0.22499999999999998."""
    for _ in range(4):
        async with http.post(f"{url}/v1/image.generate", json=KITE) as answer:
            assert answer.status == 200
    metrics = await numbers(http, url)
    assert metrics['stills_saved_usd_total{model="qwen-image-max"}'] == 0.225
    assert metrics['stills_billed_usd_total{model="qwen-image-max"}'] == 0.075


async def test_images_of_unknown_price_are_counted_apart(url: str, http: aiohttp.ClientSession):
    """The amounts in USD leave them out, instead of counting them as zero."""
    asked = KITE | {"model": "qwen-image-2.1-turbo"}
    for _ in range(3):
        async with http.post(f"{url}/v1/image.generate", json=asked) as answer:
            assert answer.status == 200
    metrics = await numbers(http, url)
    unpriced = 'stills_unpriced_images_total{{billing="{}",model="qwen-image-2.1-turbo"}}'
    assert metrics[unpriced.format("billed")] == 1
    assert metrics[unpriced.format("saved")] == 2


async def test_the_queue_of_a_dead_worker_is_not_counted(tmp_path: Path):
    """Its counters stay."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for code in (COUNT_IN_A_WORKER, COUNT_IN_A_WORKER.replace("length(5)", "length(0)")):
        count = [sys.executable, "-c", code + "print(metrics.text().decode())", str(tmp_path)]
        done = await asyncio.to_thread(
            subprocess.run, count, env=environment, capture_output=True, text=True, check=True
        )
    assert "stills_queue 0.0" in done.stdout
    assert 'route="/healthz",status="200"} 2.0' in done.stdout
