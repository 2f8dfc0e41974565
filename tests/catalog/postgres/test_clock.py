"""The server's clock, on which caps and the ledger run."""

import time
from datetime import UTC, datetime

import psycopg
import pytest
from tests.support.catalog_steps import Till

from stills.catalog.postgres import PostgresCatalog
from stills.contract.access import ApiKey, IdempotencyRecord
from stills.contract.errors import BudgetExceeded
from stills.contract.money import Caps

CAP = Caps(day_usd=0.10)
KEY = ApiKey("a1", "film", "d", day_usd=None, per_second=1 / 3600, created_at=0.0)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


@pytest.mark.parametrize("step_seconds", [-86_400.0, 86_400.0])
async def test_a_clock_that_is_a_day_off_has_no_budget_of_its_own(
    postgres_url, monkeypatch, step_seconds
):
    """The day of a cap, and of the ledger, is the server's; so is the day in the error."""
    right, off = PostgresCatalog(postgres_url), PostgresCatalog(postgres_url)
    before = today()
    await Till(right).buy("k", CAP)
    time_of_day = time.time
    monkeypatch.setattr(time, "time", lambda: time_of_day() + step_seconds)
    with pytest.raises(BudgetExceeded) as caught:
        await Till(off).claim("k2", CAP)
    await Till(off).buy("k3")
    monkeypatch.undo()
    with psycopg.connect(postgres_url.secret) as connection:
        days = {day for (day,) in connection.execute("SELECT DISTINCT day FROM stills.totals")}
    assert days <= {before, today()}
    assert any(f"{day} (UTC)" in str(caught.value) for day in days)
    for catalog in (right, off):
        await catalog.close()


async def test_a_clock_that_is_ahead_neither_frees_a_key_nor_forgets_an_answer(
    postgres_url, monkeypatch
):
    """Rates of API keys and the life of idempotency keys are counted by the server."""
    catalog = PostgresCatalog(postgres_url)
    await catalog.api_keys.add(KEY)
    assert await catalog.api_keys.take_slot(KEY) == 0.0
    await catalog.idempotency.begin("film", "k", "d1")
    time_of_day = time.time
    monkeypatch.setattr(time, "time", lambda: time_of_day() + 3 * 86_400.0)
    assert await catalog.api_keys.take_slot(KEY) > 0.0
    assert await catalog.idempotency.begin("film", "k", "d2") == IdempotencyRecord("d1", None)
    monkeypatch.undo()
    await catalog.close()
