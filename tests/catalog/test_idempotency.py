"""How long an answer is remembered."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.catalog_steps import Clock

from stills.catalog import SqliteCatalog
from stills.contract.access import IdempotencyRecord
from stills.contract.ports.idempotency import IdempotencyStore

DAY_SECONDS = 86_400.0


@pytest.fixture
async def remembered(tmp_path: Path) -> AsyncIterator[IdempotencyStore]:
    """The idempotency store of a new catalog."""
    catalog = SqliteCatalog(tmp_path / "stills.db")
    yield catalog.idempotency
    await catalog.close()


async def test_an_answer_is_forgotten_after_a_day(remembered: IdempotencyStore, clock: Clock):
    """Until then it is returned; afterwards the key is free for another body."""
    await remembered.begin("film", "k", "d1")
    await remembered.finish("film", "k", "{}")
    clock.now += DAY_SECONDS
    assert await remembered.begin("film", "k", "d2") == IdempotencyRecord("d1", "{}")
    clock.now += 1.0
    assert await remembered.begin("film", "k", "d2") == IdempotencyRecord("d2", None)


async def test_answers_of_other_owners_are_forgotten_too(
    remembered: IdempotencyStore, clock: Clock
):
    """Otherwise the table would grow without limit."""
    await remembered.begin("film", "k", "d1")
    clock.now += DAY_SECONDS + 1.0
    await remembered.begin("agent", "other", "d2")
    assert await remembered.finish("film", "k", "late") == "late"
    assert await remembered.begin("film", "k", "d1") == IdempotencyRecord("d1", None)
