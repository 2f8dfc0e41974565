"""API keys and idempotency in every Catalog. To test another, add it in conftest.py."""

import asyncio
import json
from dataclasses import replace

import pytest

from stills.contract.access import ApiKey, IdempotencyRecord

KEY = ApiKey("a1", "film", "ab" * 32, 5.0, 10 / 60, 1000.0)
NOW = 1_790_000_000.0


@pytest.fixture
def keys(catalog):
    """The catalog's API keys."""
    return catalog.api_keys


@pytest.fixture
def idempotency(catalog):
    """The catalog's idempotency records."""
    return catalog.idempotency


async def test_a_key_is_found_as_it_was_added(open_worker):
    """Every field, with and without limits, also on another connection."""
    free = ApiKey("a2", "agent", "cd" * 32, None, None, 1001.0)
    one, other = open_worker().catalog.api_keys, open_worker().catalog.api_keys
    for key in (KEY, free):
        assert await one.add(key) is True
        assert await other.find(key.id) == key
    assert await other.find("a3") is None
    assert list(await other.list()) == [KEY, free]


async def test_a_name_can_be_used_only_once(open_worker):
    """Of many concurrent attempts, one succeeds."""
    catalogs = [open_worker().catalog for _ in range(4)]
    added = await asyncio.gather(
        *(
            catalogs[number % 4].api_keys.add(replace(KEY, id=f"b{number}", name="rush"))
            for number in range(20)
        )
    )
    assert sum(added) == 1


async def test_a_revoked_key_is_found_and_its_name_is_free(keys):
    """It is revoked once, and a later key with the same name is not."""
    await keys.add(KEY)
    assert await keys.revoke("film", now=2000.0) is True
    assert await keys.find(KEY.id) == replace(KEY, revoked_at=2000.0)
    assert await keys.revoke("film", now=3000.0) is False
    assert await keys.revoke("nobody", now=3000.0) is False
    successor = replace(KEY, id="a2", created_at=2500.0)
    assert await keys.add(successor) is True
    assert list(await keys.list()) == [replace(KEY, revoked_at=2000.0), successor]


async def test_ten_per_minute_is_a_burst_of_ten_then_one_every_six_seconds(keys):
    """An early call returns the time to wait, and does not delay the next one."""
    await keys.add(KEY)
    assert [await keys.take_slot(KEY, now=NOW) for _ in range(10)] == [0.0] * 10
    for _ in range(3):
        assert await keys.take_slot(KEY, now=NOW) == pytest.approx(6.0, abs=0.01)
    assert await keys.take_slot(KEY, now=NOW + 4.0) == pytest.approx(2.0, abs=0.01)
    assert await keys.take_slot(KEY, now=NOW + 6.01) == 0.0
    assert await keys.take_slot(KEY, now=NOW + 6.01) > 5.0
    late = NOW + 3600.0
    assert [await keys.take_slot(KEY, now=late) for _ in range(11)][:10] == [0.0] * 10


async def test_a_rate_below_one_per_minute_has_no_burst(keys):
    """Two per hour means one per half hour."""
    slow = replace(KEY, per_second=2 / 3600)
    await keys.add(slow)
    assert await keys.take_slot(slow, now=NOW) == 0.0
    assert await keys.take_slot(slow, now=NOW) == pytest.approx(1800.0, abs=0.01)
    assert await keys.take_slot(slow, now=NOW + 1800.0) == 0.0


async def test_a_clock_set_back_blocks_a_key_only_briefly(keys):
    """For one interval at most."""
    await keys.add(KEY)
    assert await keys.take_slot(KEY, now=NOW + 86_400.0) == 0.0
    assert await keys.take_slot(KEY, now=NOW) <= 6.01


async def test_each_key_has_its_own_rate(keys):
    """One key's calls don't delay another's, and a key without a rate never waits."""
    other, free = replace(KEY, id="a2", name="b"), replace(KEY, id="a3", name="c", per_second=None)
    for key in (KEY, other, free):
        await keys.add(key)
    while await keys.take_slot(KEY, now=NOW) == 0.0:
        pass
    assert await keys.take_slot(other, now=NOW) == 0.0
    assert [await keys.take_slot(free, now=NOW) for _ in range(50)] == [0.0] * 50


async def test_processes_share_a_keys_rate(open_worker):
    """Of many concurrent calls on several connections, ten are admitted."""
    catalogs = [open_worker().catalog for _ in range(4)]
    await catalogs[0].api_keys.add(KEY)
    waits = await asyncio.gather(
        *(catalogs[number % 4].api_keys.take_slot(KEY, now=NOW) for number in range(40))
    )
    assert sum(wait == 0.0 for wait in waits) == 10


async def test_the_first_digest_of_a_key_stays(open_worker):
    """Later calls with the same key return it, also on another connection."""
    one, other = open_worker().catalog.idempotency, open_worker().catalog.idempotency
    assert await one.begin("film", "k", "d1") == IdempotencyRecord("d1", None)
    assert await other.begin("film", "k", "d2") == IdempotencyRecord("d1", None)
    assert await other.begin("film", "k", "d1") == IdempotencyRecord("d1", None)


async def test_every_use_of_a_key_knows_when_it_was_first_used(open_worker):
    """To the same fraction of a second, before and after there is an answer."""
    one, other = open_worker().catalog.idempotency, open_worker().catalog.idempotency
    first = await one.begin("film", "k", "d1")
    second = await other.begin("film", "k", "d1")
    await one.finish("film", "k", "{}")
    third = await other.begin("film", "k", "d1")
    assert 0 < first.begun_at == second.begun_at == third.begun_at
    assert (await one.begin("film", "k2", "d1")).begun_at > first.begun_at


async def test_the_first_answer_to_a_key_is_kept(open_worker):
    """Two workers that both answered return the same."""
    one, other = open_worker().catalog.idempotency, open_worker().catalog.idempotency
    await one.begin("film", "k", "d1")
    first = json.dumps({"seed": 1})
    assert await one.finish("film", "k", first) == first
    assert await other.finish("film", "k", json.dumps({"seed": 2})) == first
    assert await other.begin("film", "k", "d1") == IdempotencyRecord("d1", first)


async def test_idempotency_keys_belong_to_their_owner(idempotency):
    """A guessed key never returns another owner's answer."""
    await idempotency.begin("film", "k", "d1")
    await idempotency.finish("film", "k", "{}")
    assert await idempotency.begin("agent", "k", "d2") == IdempotencyRecord("d2", None)
    assert await idempotency.begin("", "k", "d3") == IdempotencyRecord("d3", None)
    assert await idempotency.begin("film", "k2", "d4") == IdempotencyRecord("d4", None)


async def test_an_answer_to_a_deleted_key_is_returned_to_its_caller(idempotency):
    """It is not stored."""
    assert await idempotency.finish("film", "k", "{}") == "{}"
    assert await idempotency.begin("film", "k", "d1") == IdempotencyRecord("d1", None)
