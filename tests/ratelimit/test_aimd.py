"""The AIMD rule, on a simulated clock."""

import itertools
import math
from dataclasses import replace

import pytest

from stills.contract.models import find_model
from stills.contract.rate_limit import LEARN_LIMIT, NO_LIMIT, LimitScope, RateLimit
from stills.ratelimit.aimd import LOOKAHEAD_SECONDS, next_start_at, slow_down, take_starts
from stills.ratelimit.limiter import rate_limit_of

BEGIN = 1_000_000.0
SCOPE = LimitScope("dashscope", "qwen-image-max")


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
    state, now, starts = None, BEGIN, []
    while now < BEGIN + seconds:
        state, given = take_starts(state, limit, now=now, wanted=4)
        for at in given:
            starts.append(at - BEGIN)
            wait = service.take(at)
            if wait is not None or len(starts) in faults:
                state = slow_down(state, limit, now=at, started_at=at, retry_after_seconds=wait)
        now = max(now + 0.001, next_start_at(state) - LOOKAHEAD_SECONDS)
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
    state, starts = take_starts(None, limit, now=BEGIN, wanted=5)
    for at in starts:
        state = slow_down(state, limit, now=BEGIN + 0.3, started_at=at, retry_after_seconds=None)
    assert state.rate_fraction == pytest.approx(0.8)


def test_retry_after_delays_every_start():
    """None is earlier than the service asked for."""
    limit = RateLimit(20.0)
    state, starts = take_starts(None, limit, now=BEGIN, wanted=1)
    state = slow_down(state, limit, now=BEGIN, started_at=starts[0], retry_after_seconds=7.0)
    assert next_start_at(state) == BEGIN + 7.0
    assert take_starts(state, limit, now=BEGIN + 1.0, wanted=3)[1] == ()


def test_setting_the_clock_back_does_not_delay_starts():
    """The next start is as far away as before."""
    limit = RateLimit(1.0)
    state, _ = take_starts(None, limit, now=BEGIN, wanted=1)
    state, _ = take_starts(state, limit, now=BEGIN - 3600.0, wanted=0)
    assert next_start_at(state) <= BEGIN - 3600.0 + 1.1


def test_there_is_no_burst_after_idle_time():
    """An hour without calls earns no credit."""
    limit = RateLimit(1.0)
    state, _ = take_starts(None, limit, now=BEGIN, wanted=1)
    assert take_starts(state, limit, now=BEGIN + 3600.0, wanted=9)[1] == (BEGIN + 3600.0,)


def test_the_limit_is_the_one_set_or_that_of_the_model_table():
    """The sandbox has none by default, so that it is fast to try."""
    model, unknown = find_model("qwen-image-max"), find_model("qwen-image-2.1-pro")
    assert rate_limit_of(SCOPE, model, None) == RateLimit(2 / 60)
    assert rate_limit_of(SCOPE, find_model("qwen-image-2.0"), None) == RateLimit(2.0)
    assert rate_limit_of(replace(SCOPE, provider="sandbox"), model, None).is_unlimited
    assert rate_limit_of(SCOPE, unknown, None).is_unlimited
    assert rate_limit_of(SCOPE, None, None).is_unlimited
    assert rate_limit_of(SCOPE, model, LEARN_LIMIT) == LEARN_LIMIT
    assert rate_limit_of(SCOPE, model, NO_LIMIT).is_unlimited
