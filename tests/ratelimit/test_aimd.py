"""The rate limiter: its rule on a simulated clock, and starts shared by processes."""

import asyncio
import itertools
import math
import socket
from dataclasses import replace

import pytest

from stills.catalog import SqliteCatalog
from stills.contract.errors import Billing, ConnectionLost, RateLimited, ServiceUnreachable
from stills.contract.rate_limit import LEARN_LIMIT, NO_LIMIT, LimitScope, RateLimit
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.pipeline.retry import Retries
from stills.provider.credentials import Credentials, ProviderKey
from stills.ratelimit.aimd import LOOKAHEAD_SECONDS, next_start_at, slow_down, take_starts
from stills.ratelimit.limiter import RateLimiter, StartTooLate, rate_limit_of
from stills.sandbox import Fault, FaultKind

BEGIN = 1_000_000.0
SCOPE = LimitScope("dashscope", "qwen-image-max")
KITE = ImageRequest(prompt="a red kite", size="1328*1328", seed=1)


class Service:
    """A token bucket on a simulated clock, like the sandbox's, and the calls it gets."""

    def __init__(self, per_second: float, *, down_from: float = 0.0, seconds: float = 0.0) -> None:
        self.down_from, self.down_until = down_from, down_from + seconds
        self._per_second = per_second
        self._capacity = self._tokens = max(1.0, per_second)
        self._counted_at = BEGIN
        self.accepted: list[float] = []
        self.refused: list[float] = []

    def take(self, at: float) -> float | None:
        """Accept, or give the seconds of Retry-After."""
        if self.down_from <= at - BEGIN < self.down_until:
            self.refused.append(at - BEGIN)
            return 1.0
        earned = (at - self._counted_at) * self._per_second
        self._tokens = min(self._capacity, self._tokens + earned)
        self._counted_at = at
        if self._tokens < 1.0:
            self.refused.append(at - BEGIN)
            return max(1.0, math.ceil((1.0 - self._tokens) / self._per_second))
        self._tokens -= 1.0
        self.accepted.append(at - BEGIN)
        return None


def run(
    service: Service, limit: RateLimit, *, seconds: float, faults: frozenset[int] = frozenset()
):
    """Start calls as the limiter allows; a 429 comes back at once. Returns all start times."""
    pace, now, starts = None, BEGIN, []
    while now < BEGIN + seconds:
        pace, given = take_starts(pace, limit, now=now, wanted=4)
        for at in given:
            starts.append(at - BEGIN)
            wait = service.take(at)
            if wait is not None or len(starts) in faults:
                pace = slow_down(pace, limit, now=at, started_at=at, retry_after_seconds=wait)
        now = max(now + 0.001, next_start_at(pace) - LOOKAHEAD_SECONDS)
    return starts


def rate(times: list[float], begin: float, end: float) -> float:
    return sum(begin <= one < end for one in times) / (end - begin)


@pytest.mark.parametrize("per_second", [1 / 30, 0.5, 1.0, 2.0, 20.0])
def test_starts_are_spread_evenly_and_never_over_the_limit(per_second):
    """A service with exactly this limit rejects nothing, and hardly a start is left unused."""
    service = Service(per_second)
    starts = run(service, RateLimit(per_second), seconds=600)
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert min(gaps) >= 0.999 / per_second
    assert service.refused == []
    assert len(starts) >= 0.97 * 600 * per_second


def test_a_single_refusal_costs_little():
    """The rate falls at once and recovers after a few starts."""
    limit = RateLimit(20.0)
    calm = run(Service(100.0), limit, seconds=100)
    faulty = run(Service(100.0), limit, seconds=100, faults=frozenset(range(50, 2000, 50)))
    assert len(faulty) >= 0.97 * len(calm)


@pytest.mark.parametrize("true", [2.0, 5.0, 10.0])
def test_a_limit_set_too_high_is_corrected(true):
    """The allowance of the service is used, and only some calls are rejected."""
    service = Service(true)
    starts = run(service, RateLimit(20.0), seconds=200)
    assert rate(service.accepted, 100, 200) == pytest.approx(true, rel=0.15)
    assert rate(service.refused, 100, 200) < 0.3 * rate(starts, 100, 200)


@pytest.mark.parametrize(
    ("per_second", "seconds"), [(1 / 30, 60), (1 / 30, 300), (1.0, 60), (10.0, 20), (10.0, 300)]
)
def test_the_rate_recovers_soon_after_an_outage(per_second, seconds):
    """Meanwhile hardly anything is sent, because nothing was accepted at any rate."""
    service = Service(per_second, down_from=600, seconds=seconds)
    run(service, RateLimit(per_second), seconds=600 + seconds + 600)
    back = 600 + seconds
    assert rate(service.refused, 600, back) <= 0.5 * per_second + 2 / seconds
    assert rate(service.accepted, back, back + 300) >= 0.69 * per_second
    assert rate(service.accepted, back + 300, back + 600) >= 0.95 * per_second


@pytest.mark.parametrize(("true", "seconds"), [(0.5, 60), (10.0, 5), (10.0, 60)])
def test_a_learned_limit_survives_an_outage(true, seconds):
    """It is not learned again from the beginning."""
    service = Service(true, down_from=300, seconds=seconds)
    run(service, LEARN_LIMIT, seconds=300 + seconds + 300)
    back = 300 + seconds
    assert rate(service.accepted, back + 30, back + 120) >= 0.6 * true
    assert rate(service.accepted, back + 120, back + 300) >= 0.8 * true


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0])
def test_an_unknown_limit_is_learned_within_a_minute(true):
    """Within 10 %, and hardly a call is rejected afterwards."""
    service = Service(true)
    run(service, LEARN_LIMIT, seconds=120)
    assert rate(service.accepted, 60, 120) == pytest.approx(true, rel=0.1)
    assert rate(service.refused, 60, 120) < 0.05 * true + 0.1


def test_an_unknown_limit_of_a_few_a_minute_is_not_hammered():
    """2/min: after the first minutes nearly every call is accepted."""
    service = Service(1 / 30)
    run(service, LEARN_LIMIT, seconds=1800)
    assert len(service.accepted) >= 0.6 * 1800 / 30
    assert len(service.refused) < len(service.accepted)


def test_one_burst_of_refusals_lowers_the_rate_once():
    """Calls that started at the old rate say nothing about the new one."""
    limit = RateLimit(20.0)
    pace, starts = take_starts(None, limit, now=BEGIN, wanted=5)
    for at in starts:
        pace = slow_down(pace, limit, now=BEGIN + 0.3, started_at=at, retry_after_seconds=None)
    assert pace.rate_fraction == pytest.approx(0.8)


def test_retry_after_delays_every_start():
    """None is earlier than the service asked for."""
    limit = RateLimit(20.0)
    pace, starts = take_starts(None, limit, now=BEGIN, wanted=1)
    pace = slow_down(pace, limit, now=BEGIN, started_at=starts[0], retry_after_seconds=7.0)
    assert next_start_at(pace) == BEGIN + 7.0
    assert take_starts(pace, limit, now=BEGIN + 1.0, wanted=3)[1] == ()


def test_setting_the_clock_back_does_not_delay_starts():
    """The next start is as far away as before."""
    limit = RateLimit(1.0)
    pace, _ = take_starts(None, limit, now=BEGIN, wanted=1)
    pace, _ = take_starts(pace, limit, now=BEGIN - 3600.0, wanted=0)
    assert next_start_at(pace) <= BEGIN - 3600.0 + 1.1


def test_there_is_no_burst_after_idle_time():
    """An hour without calls earns no credit."""
    limit = RateLimit(1.0)
    pace, _ = take_starts(None, limit, now=BEGIN, wanted=1)
    assert take_starts(pace, limit, now=BEGIN + 3600.0, wanted=9)[1] == (BEGIN + 3600.0,)


def test_the_limit_is_the_one_set_or_that_of_the_model_table():
    """The sandbox has none by default, so that it is fast to try."""
    assert rate_limit_of(SCOPE, None) == RateLimit(2 / 60)
    assert rate_limit_of(replace(SCOPE, provider="sandbox"), None).is_unlimited
    assert rate_limit_of(replace(SCOPE, model="qwen-image-2.0"), None).is_unlimited
    assert rate_limit_of(SCOPE, LEARN_LIMIT) == LEARN_LIMIT
    assert rate_limit_of(SCOPE, NO_LIMIT).is_unlimited


def test_a_rate_limited_429_waits_only_for_the_limiter():
    """Its own backoff would be added to the limiter's delay."""
    retries = Retries(Policy(), is_rate_limited=True)
    for _ in range(20):
        assert retries.next(RateLimited(retry_after_seconds=30.0)).wait_seconds == 0.0


@pytest.fixture
async def make_limiter(tmp_path):
    """Make limiters of one model, each with its own catalog connection, like processes."""
    catalogs = []

    def make(limit: RateLimit) -> RateLimiter:
        catalogs.append(SqliteCatalog(tmp_path / "stills.db"))
        return RateLimiter(catalogs[-1], SCOPE, limit)

    yield make
    for catalog in catalogs:
        await catalog.close()


async def test_two_processes_share_one_limit(make_limiter):
    """No two of their starts are closer than the limit allows."""
    limiters = [make_limiter(RateLimit(40.0)) for _ in range(2)]
    starts = sorted(
        await asyncio.gather(*(each.start(patience_seconds=60) for each in limiters * 10))
    )
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(starts) == 20
    assert min(gaps) >= 0.99 / 40.0


async def test_without_a_limit_the_catalog_is_not_used():
    """It works without a catalog."""
    limiter = RateLimiter(None, SCOPE, NO_LIMIT)
    assert await limiter.start(patience_seconds=0.0) == 0.0
    await limiter.slow_down(started_at=0.0, retry_after_seconds=9.0)


async def test_a_start_beyond_the_patience_is_rejected_at_once(make_limiter):
    """Also for calls behind others in the queue; the error says when to retry."""
    limiter = make_limiter(RateLimit(1 / 3600))
    await limiter.start(patience_seconds=1.0)
    with pytest.raises(StartTooLate, match="rate limit") as caught:
        await limiter.start(patience_seconds=60.0)
    assert 3000 < caught.value.retry_after_seconds < 2 * 3700
    assert (caught.value.code, caught.value.billing) == ("rate_limited", Billing.NONE)


async def test_a_refusal_in_one_process_delays_the_others(make_limiter):
    """Retry-After applies to all."""
    one, other = make_limiter(RateLimit(100.0)), make_limiter(RateLimit(100.0))
    started_at = await one.start(patience_seconds=1.0)
    await one.slow_down(started_at=started_at, retry_after_seconds=3000.0)
    with pytest.raises(StartTooLate):
        await other.start(patience_seconds=60.0)


async def test_a_cancelled_wait_does_not_block_the_next(make_limiter):
    """It leaves the queue."""
    limiter = make_limiter(RateLimit(20.0))
    await limiter.start(patience_seconds=1.0)
    waiting = [asyncio.create_task(limiter.start(patience_seconds=60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    starts = await asyncio.gather(*waiting[1:])
    assert starts[1] - starts[0] >= 0.99 / 20.0


async def test_a_service_that_is_not_reached_uses_no_start(make_stills):
    """At one call per hour, retries would come hours later although nothing was used."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nowhere = Credentials(ProviderKey("sk-sandbox"), f"http://127.0.0.1:{port}/api/v1")
    stills = await make_stills(credentials=nowhere, rate_limit=RateLimit(1 / 3600))
    with pytest.raises(ServiceUnreachable):
        await stills.generate(KITE)
    assert (await stills.quota()).sends_last_minute == 3


async def test_every_call_uses_a_start_including_retries(make_stills, sandbox):
    """The catalog counts them all."""
    stills = await make_stills(rate_limit=RateLimit(50.0))
    sandbox.set_faults(Fault(FaultKind.THROTTLED, times=2), Fault(FaultKind.UNAVAILABLE))
    await stills.generate(KITE)
    times = [send.time for send in sandbox.ledger.generations]
    assert len(times) == 4
    quota = await stills.quota()
    assert (quota.limit_per_second, quota.sends_last_minute) == (50.0, 4)
    assert quota.per_second <= 50.0


async def test_a_start_too_late_after_a_lost_call_says_that_it_may_be_billed(make_stills, sandbox):
    """The cost of the earlier call is not forgotten."""
    sandbox.set_faults(Fault(FaultKind.DROP_AFTER))
    stills = await make_stills(rate_limit=RateLimit(1 / 3600))
    with pytest.raises((RateLimited, ConnectionLost)) as caught:
        await stills.generate(KITE)
    assert caught.value.billing is Billing.POSSIBLE
    assert len(sandbox.ledger.generations) == 1
