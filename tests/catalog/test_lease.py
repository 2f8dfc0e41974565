"""Leases from another clock: before a restart, or from an older Stills."""

import sqlite3
import time
from contextlib import closing

import pytest
from tests.support.catalog_steps import SIZE, spec

from stills.catalog import SqliteCatalog, lease
from stills.contract.generation import Claim, Held
from stills.contract.money import Caps


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(
            "lease_from = lease_from + 1e6, lease_until = lease_until + 1e6", id="restart"
        ),
        pytest.param(
            f"lease_from = 1e300, lease_until = {time.time() + 3e7}", id="a year of Unix seconds"
        ),
    ],
)
async def test_a_lease_that_starts_in_the_future_has_ended(tmp_path, left):
    """It used another clock: it is taken over at once, and its reserved price is free."""
    path = tmp_path / "stills.db"
    one, other = SqliteCatalog(path), SqliteCatalog(path)
    limits = {"lease_seconds": 60.0, "fresh": False, "caps": Caps(day_usd=0.075)}
    dead = await one.claim(spec("a"), SIZE, **limits)
    assert isinstance(await other.claim(spec("a"), SIZE, **limits), Held)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE claims SET {left}")
    again = await other.claim(spec("a"), SIZE, **limits)
    assert isinstance(again, Claim)
    assert again.token != dead.token
    await one.close()
    await other.close()


def test_a_lease_holds_from_its_first_moment_to_its_last(monkeypatch):
    """Some systems' clocks stand still for milliseconds; a new claim is not free meanwhile."""
    monkeypatch.setattr(lease, "clock", lambda: 100.0)
    assert lease.in_lease(100.0, lease.lease_end(60.0))
    assert lease.in_lease(40.0, 100.0)
