"""Limiter states in every Catalog. To test another, add it to `CATALOGS` in conftest.py."""

import asyncio
from dataclasses import replace

import pytest

from stills.contract.errors import Billing
from stills.contract.generation import RequestRecord, Settlement
from stills.contract.money import Caps
from stills.contract.rate_limit import LimiterState, LimitScope
from stills.contract.size import Size

LANE = LimitScope("sandbox", "qwen-image-max", "a")
OTHERS = (
    replace(LANE, provider="dashscope"),
    replace(LANE, model="qwen-image-2.0"),
    replace(LANE, account="b"),
)
PACE = LimiterState(20.0, 1.5, 2.5, 3.5, 0.8, 0.025, 4.5, 5.5, 6.5, 7, 8)
NATIVE = Size(1328, 1328)


async def test_a_limit_scope_has_no_state_before_its_first_start(catalog):
    """Reading creates none."""
    for _ in range(2):
        assert await catalog.read_limiter_state(LANE, seconds=60.0) == (None, 0)


async def test_a_changed_limiter_state_is_read_by_the_next(open_worker):
    """Every field, also on another connection, and only in this scope."""
    one, other = open_worker().catalog, open_worker().catalog
    assert await one.update_limiter_state(LANE, lambda pace, _: (PACE, pace)) is None
    assert (await other.read_limiter_state(LANE, seconds=60.0))[0] == PACE
    assert await other.update_limiter_state(LANE, lambda pace, _: (PACE, pace)) == PACE
    for scope in OTHERS:
        assert (await other.read_limiter_state(scope, seconds=60.0))[0] is None


async def test_no_change_is_lost(open_worker):
    """Many concurrent changes, on several connections."""
    catalogs = [open_worker().catalog for _ in range(4)]

    def count(pace: LimiterState | None, _: float) -> tuple[LimiterState, int]:
        pace = pace or replace(PACE, accepted=0)
        return replace(pace, accepted=pace.accepted + 1), pace.accepted

    seen = await asyncio.gather(*(each.update_limiter_state(LANE, count) for each in catalogs * 25))
    assert sorted(seen) == list(range(100))


async def test_a_change_that_fails_changes_nothing(catalog):
    """The exception is passed on unchanged."""
    await catalog.update_limiter_state(LANE, lambda _state, _now: (PACE, None))

    def fail(pace: LimiterState | None, _: float) -> tuple[LimiterState, None]:
        raise LookupError(pace)

    with pytest.raises(LookupError):
        await catalog.update_limiter_state(LANE, fail)
    assert (await catalog.read_limiter_state(LANE, seconds=60.0))[0] == PACE


async def test_the_sends_of_a_limit_scope_are_counted(catalog, worker, spec):
    """For some time, including refused ones, excluding other scopes."""
    claim = await worker.take()
    refused = await worker.send(claim, account="a")
    await catalog.settle_send(refused, Settlement(Billing.NONE, "rate_limited"))
    await worker.send(claim, account="a")
    await worker.send(await worker.take(spec("k2", model="qwen-image-2.0")), account="a")
    await worker.send(await worker.take(spec("k3")), account="b")
    assert (await catalog.read_limiter_state(LANE, seconds=60.0))[1] == 2
    assert (await catalog.read_limiter_state(LANE, seconds=-60.0))[1] == 0
    for scope in OTHERS[1:]:
        assert (await catalog.read_limiter_state(scope, seconds=60.0))[1] == 1


async def test_a_call_for_two_images_is_one_call(catalog, worker, spec):
    """The limit is on calls."""
    claims = [await worker.take(spec(key)) for key in ("a", "b")]
    numbers = await catalog.record_sends(
        claims, lease_seconds=60.0, caps=Caps(), account=LANE.account
    )
    assert len(set(numbers)) == 2
    assert (await catalog.read_limiter_state(LANE, seconds=60.0))[1] == 1
    await worker.send(claims[0], account=LANE.account)
    assert (await catalog.read_limiter_state(LANE, seconds=60.0))[1] == 2


async def test_every_account_begins_with_the_state_of_an_unknown_one(catalog):
    """What was learned before accounts were told apart is not lost; from then on, each has its own.

    That state itself stays as it is.
    """
    unknown, other = replace(LANE, account=""), replace(LANE, account="b")
    await catalog.update_limiter_state(unknown, lambda _state, _now: (PACE, None))
    later = replace(PACE, accepted=99)
    assert await catalog.update_limiter_state(LANE, lambda pace, _: (later, pace)) == PACE
    states = [
        (await catalog.read_limiter_state(scope, seconds=60.0))[0]
        for scope in (LANE, other, unknown)
    ]
    assert states == [later, PACE, PACE]


async def test_many_lookups_return_the_same_as_single_ones(catalog, worker, spec):
    """In the requested order."""
    for key in ("a", "b"):
        await worker.keep(await worker.take(spec(key)))
    wanted = [("b", NATIVE), ("none", NATIVE), ("a", Size(512, 512)), ("b", NATIVE)]
    assert list(await catalog.find_many(wanted)) == [
        await catalog.find(key, size) for key, size in wanted
    ]
    assert list(await catalog.find_many([])) == []


async def test_many_answers_are_recorded_like_single_ones(catalog, worker):
    """A repeated request counts twice."""
    rendition = await worker.keep(await worker.take())
    asked = RequestRecord("a kite", NATIVE, None, None, None, ())
    await catalog.record_requests([(rendition, asked), (rendition, replace(asked, seed=1))] * 2)
    await catalog.record_requests([])
    (line,) = await catalog.spend(since=0.0, by=None)
    assert line.saved == 4
