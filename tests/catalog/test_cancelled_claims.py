"""A caller that is cancelled while it claims a key: the key is always free again."""

import asyncio
import gc
import sqlite3
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.support.catalog_steps import SIZE, Till, spec

from stills.catalog import SqliteCatalog, schema, sql
from stills.contract.errors import CatalogError
from stills.contract.generation import CatalogHit, Claim, Held
from stills.contract.money import Caps


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stills.db"


@pytest.fixture
async def other(path: Path) -> AsyncIterator[Till]:
    """Another connection to the same catalog."""
    catalog = SqliteCatalog(path)
    await catalog.list_images(limit=1)
    yield Till(catalog)
    await catalog.close()


def take(till: Till) -> asyncio.Task[Claim | CatalogHit | Held]:
    return asyncio.create_task(
        till.catalog.claim(spec("a"), SIZE, lease_seconds=600.0, fresh=False, caps=Caps())
    )


async def turn(times: int = 10) -> None:
    """Run the event loop until nothing can continue."""
    for _ in range(times):
        await asyncio.sleep(0)


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def count_claims(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute("SELECT count(*) FROM claims").fetchone()[0]
        return count


async def watch_transactions(till: Till) -> Callable[[int], Awaitable[None]]:
    """Return a function that waits until that number of transactions have begun."""
    count = 0

    def watch(statement: str) -> None:
        nonlocal count
        count += statement.startswith("BEGIN")

    await till.catalog.database.read(lambda made: made.set_trace_callback(watch))

    async def wait(transactions: int) -> None:
        async with asyncio.timeout(60):
            while count < transactions:
                await asyncio.sleep(0.001)

    return wait


async def test_cancelled_while_the_claim_is_queued(till: Till, other: Till):
    """The catalog's thread is busy."""
    gate = threading.Event()
    busy = asyncio.create_task(till.catalog.database.read(lambda _: gate.wait(60)))
    await turn()
    taking = take(till)
    await turn()
    taking.cancel()
    await turn()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await busy
    await other.claim("a")


async def cancel_while_it_waits(till: Till, path: Path) -> None:
    """Cancel a claim whose transaction has started and waits for the file's lock."""
    begun = await watch_transactions(till)
    with write_lock(path):
        taking = take(till)
        await begun(1)
        taking.cancel()
        await turn()
    with pytest.raises(asyncio.CancelledError):
        await taking


async def test_cancelled_while_the_claim_is_written(till: Till, other: Till, path: Path):
    """The transaction has started and waits for the file's lock."""
    await cancel_while_it_waits(till, path)
    await other.claim("a")


async def test_cancelled_while_the_claim_fails(till: Till, other: Till, path: Path, monkeypatch):
    """The canceller waits for the end of the task, not for an error."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.05)
    begun = await watch_transactions(till)
    with write_lock(path):
        taking = take(till)
        await begun(1)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
    await other.claim("a")


async def test_cancelled_while_another_holds_the_key(till: Till, other: Till, path: Path):
    """The claim of the other stays as it is."""
    claim = await other.claim("a")
    await cancel_while_it_waits(till, path)
    assert await other.catalog.renew(claim, lease_seconds=60.0)


@pytest.mark.parametrize("turns", range(5))
async def test_cancelled_once_the_claim_is_written(till: Till, other: Till, path: Path, turns: int):
    """Its caller has no result yet, or is just receiving it."""
    await till.catalog.list_images(limit=1)
    taking = take(till)
    await turn()
    while not count_claims(path):
        time.sleep(0.001)  # the event loop stands still, so that nobody hears of it
    await turn(turns)
    if taking.cancel():
        with pytest.raises(asyncio.CancelledError):
            await taking
    else:
        await till.catalog.release(taking.result())
    await other.claim("a")


async def test_a_claim_that_can_t_be_released_is_released_later(
    till: Till, other: Till, path: Path, monkeypatch
):
    """Otherwise it would be held until this process ends."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sql, "RELEASE_RETRY_SECONDS", 0.05)
    claim = await till.claim("a")
    await till.send(claim, None)
    begun = await watch_transactions(till)
    with write_lock(path):
        with pytest.raises(CatalogError):
            await till.catalog.release(claim)
        await begun(3)  # it goes on after an attempt that fails too
    async with asyncio.timeout(60):
        while isinstance(held := await take(other), Held):
            await asyncio.sleep(0.01)
    assert isinstance(held, Claim)


async def test_nothing_remembers_a_later_release_that_has_ended(
    till: Till, path: Path, monkeypatch
):
    """A service whose catalog fails now and then would remember more and more of them."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sql, "RELEASE_RETRY_SECONDS", 0.05)
    claim = await till.claim("a")
    with write_lock(path), pytest.raises(CatalogError):
        await till.catalog.release(claim)
    releasing = weakref.WeakSet(asyncio.all_tasks() - {asyncio.current_task()})
    assert len(releasing) == 1
    async with asyncio.timeout(60):
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await asyncio.sleep(0.01)
    gc.collect()
    assert not releasing


async def test_a_release_is_tried_again_after_a_pause(
    till: Till, other: Till, path: Path, monkeypatch
):
    """Otherwise a catalog that fails would be asked without end."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sql, "RELEASE_RETRY_SECONDS", 3600)
    claim = await till.claim("a")
    with write_lock(path), pytest.raises(CatalogError):
        await till.catalog.release(claim)
    for _ in range(5):
        await till.catalog.check_writable()
    assert isinstance(await take(other), Held)


async def test_a_look_at_a_held_key_waits_before_the_next(till: Till):
    """Otherwise those that wait would keep the catalog busy."""
    waiting = asyncio.create_task(till.catalog.wait_until_free("a", poll_seconds=3600))
    await turn()
    assert not waiting.done()
    waiting.cancel()


async def test_closing_the_catalog_cancels_a_later_release(till: Till, path: Path, monkeypatch):
    """A closed catalog leaves no task; the claim ends with the process."""
    monkeypatch.setattr(schema, "LOCK_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sql, "RELEASE_RETRY_SECONDS", 3600)
    claim = await till.claim("a")
    with write_lock(path), pytest.raises(CatalogError):
        await till.catalog.release(claim)
    async with asyncio.timeout(60):
        await till.catalog.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_release_in_a_closed_catalog_is_not_tried_again(till: Till):
    """It could never succeed, and would run as long as the process."""
    claim = await till.claim("a")
    await till.catalog.close()
    with pytest.raises(CatalogError, match="closed"):
        await till.catalog.release(claim)
    assert asyncio.all_tasks() == {asyncio.current_task()}
