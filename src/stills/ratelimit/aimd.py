"""AIMD: when the next request may start. A pure rule; times are Unix seconds.

Starts are spread evenly, because the service enforces its limit per minute by the second. A refusal
lowers the rate at once, and each start after it raises the rate again: multiplicative decrease,
additive increase. After consecutive refusals, which mean that the service refuses everything, the
rate soon returns to what it was. An unknown limit is learned by doubling the rate until the first
refusal. After that, the requests accepted between two refusals show the limit, because at both the
allowance was used up; for limits of a few requests per second, the refused rate shows it better.
"""

import math
from dataclasses import replace

from stills.contract.rate_limit import LimiterState, RateLimit

LOOKAHEAD_SECONDS = 0.25
"""How far ahead starts are assigned, so that none waits for the catalog."""

_MARGIN = 1.01  # a request that arrives late makes the next one early by the service's clock
_LOWERED, _REGAINED = 0.8, 2.0
_RECOVERY, _RECOVERY_LEAST = 0.05, 0.002
_GROWTH, _FAST_GROWTH, _FAST_GROWTH_STARTS = 1.02, 1.15, 20
_SLOWEST_PER_SECOND, _SLOWEST_FRACTION, _SLOWEST_BY_FRACTION_PER_SECOND = 1 / 60, 0.05, 0.2
_SURE_SECONDS = 1.0  # a refusal comes sooner than that

_FIRST_GUESS_PER_SECOND = 1.0
_AFTER_FIRST_REFUSAL = 0.7
_DOUBLING = 0.35  # added to the rate after each start, which doubles it in 2 s
_PROBING, _PROBING_SLOWLY = 0.003, 0.00125
_PROBING_SECONDS = 30.0
_ENOUGH_STARTS, _ENOUGH_REFUSALS = 20, 4
_SLOW_PER_SECOND = 2.0
_STEP, _SMALL_STEP, _SMALL_STEP_STARTS = 0.9, 0.95, 10
_IDLE_SECONDS = 1.0


def take_starts(
    state: LimiterState | None, limit: RateLimit, *, now: float, wanted: int
) -> tuple[LimiterState, tuple[float, ...]]:
    """Assign the next starts, at most `wanted`, up to the lookahead."""
    state = _fit(state, limit, now)
    starts: list[float] = []
    while len(starts) < wanted:
        at = max(now, next_start_at(state))
        if at > now + LOOKAHEAD_SECONDS:
            break
        state = _count_start(state, limit, at)
        starts.append(at)
    return state, tuple(starts)


def next_start_at(state: LimiterState) -> float:
    """Return the earliest time of the next start at the current rate."""
    return max(state.paused_until, state.started_at + interval_seconds(state))


def interval_seconds(state: LimiterState) -> float:
    """Return the time from one start to the next."""
    return _MARGIN / state.per_second


def slow_down(
    state: LimiterState | None,
    limit: RateLimit,
    *,
    now: float,
    started_at: float,
    retry_after_seconds: float | None,
) -> LimiterState:
    """Record that the service refused a request that started at `started_at`."""
    state = _fit(state, limit, now)
    state = replace(
        state,
        accepted=max(0, state.accepted - 1),
        accepted_since_refusal=max(0, state.accepted_since_refusal - 1),
        paused_until=max(state.paused_until, now + (retry_after_seconds or 0.0)),
    )
    if started_at <= state.lowered_at:
        return state  # it started at the old rate, so it says nothing about the new one
    lowered = replace(
        state,
        refused=state.refused + 1,
        rate_fraction=max(_least_fraction(state), state.rate_fraction * _LOWERED),
        lowered_at=max(now, state.started_at),
        accepted_since_refusal=0,
    )
    if limit.learn:
        lowered = _learn(lowered, now, refused_per_second=state.per_second)
    if state.accepted_since_refusal == 0:
        return lowered  # nothing was accepted since the last refusal, so the rate is not the reason
    lowered = replace(lowered, last_good_per_second=lowered.per_second)
    # The rate recovers quickly after one refusal, and more slowly with each further one.
    return replace(
        lowered, recovery=max(_RECOVERY_LEAST, state.recovery / (1 if limit.learn else 2))
    )


def _least_fraction(state: LimiterState) -> float:
    limit = state.limit_per_second
    by_fraction = min(_SLOWEST_FRACTION, _SLOWEST_BY_FRACTION_PER_SECOND / limit)
    return min(1.0, max(by_fraction, _SLOWEST_PER_SECOND / limit))


def _fit(state: LimiterState | None, limit: RateLimit, now: float) -> LimiterState:
    """Create a state, or adapt another process's to the current limit and clock."""
    if state is None:
        per_second = limit.per_second or _FIRST_GUESS_PER_SECOND
        return LimiterState(per_second, started_at=0.0, counted_from=now, updated_at=now)
    behind_seconds = now - state.updated_at
    if behind_seconds < 0.0:  # the clock was set back: without this, every start would wait for it
        state = replace(
            state,
            started_at=state.started_at + behind_seconds,
            paused_until=state.paused_until + behind_seconds,
            lowered_at=state.lowered_at + behind_seconds,
            learned_at=state.learned_at and state.learned_at + behind_seconds,
            counted_from=state.counted_from + behind_seconds,
        )
    return replace(
        state,
        limit_per_second=limit.per_second or state.limit_per_second,
        updated_at=now,
    )


def _count_start(state: LimiterState, limit: RateLimit, at: float) -> LimiterState:
    pause_seconds = at - max(state.paused_until, state.started_at + interval_seconds(state))
    if pause_seconds > _IDLE_SECONDS:
        state = _restart_count(state, at)  # there was nothing to start
    started = replace(
        state,
        started_at=at,
        accepted=state.accepted + 1,
        accepted_since_refusal=state.accepted_since_refusal + 1,
    )
    if state.per_second < state.last_good_per_second:
        is_sure = (
            state.accepted_since_refusal > 0
            and at - max(state.lowered_at, state.paused_until) >= _SURE_SECONDS
        )
        return _regain(started, limit) if is_sure else started
    growth = _GROWTH if state.accepted_since_refusal < _FAST_GROWTH_STARTS else _FAST_GROWTH
    raised = _raise(state, at) if limit.learn and pause_seconds <= 0.0 else 0.0
    return replace(
        started,
        limit_per_second=state.limit_per_second + raised,
        rate_fraction=min(1.0, state.rate_fraction + state.recovery),
        recovery=min(_RECOVERY, state.recovery * growth),
    )


def _regain(state: LimiterState, limit: RateLimit) -> LimiterState:
    """Double the rate, up to the rate before the consecutive refusals."""
    per_second = min(state.last_good_per_second, state.per_second * _REGAINED)
    if limit.learn:
        learned = max(state.limit_per_second, per_second)
        state = _restart_count(state, state.started_at)
        return replace(state, limit_per_second=learned, rate_fraction=per_second / learned)
    return replace(state, rate_fraction=min(1.0, per_second / state.limit_per_second))


def _restart_count(state: LimiterState, at: float) -> LimiterState:
    """Forget earlier requests, which say nothing about the limit any more."""
    learned_at = at if state.learned_at else 0.0
    return replace(state, counted_from=at, accepted=0, refused=0, learned_at=learned_at)


def _raise(state: LimiterState, at: float) -> float:
    """Return how much a start raises the unknown limit, in starts per second."""
    if not state.learned_at:
        return _DOUBLING
    periods = (at - state.learned_at) / _PROBING_SECONDS
    probing = min(_PROBING, _PROBING_SLOWLY * state.limit_per_second)
    return min(_DOUBLING, probing * max(1.0, periods**3))


def _learn(state: LimiterState, now: float, *, refused_per_second: float) -> LimiterState:
    """Learn the limit from the requests accepted and refused since an earlier refusal."""
    # The wait after a refusal uses up to one start of the allowance.
    accepted = state.accepted + 1 + min(state.refused, state.accepted // 10)
    accepted_per_second = accepted / max(now - state.counted_from, 1e-3)
    if not state.learned_at:
        limit, fraction = state.limit_per_second * _AFTER_FIRST_REFUSAL, state.rate_fraction
    elif refused_per_second < _SLOW_PER_SECOND:
        limit, fraction = _learn_slow(state.accepted, accepted_per_second, refused_per_second), 1.0
    elif state.accepted + state.refused < _ENOUGH_STARTS and state.refused < _ENOUGH_REFUSALS:
        return state
    else:
        limit, fraction = accepted_per_second, state.rate_fraction
    counted = replace(state, counted_from=now, accepted=0, refused=0)
    if limit >= state.limit_per_second:
        return counted
    return replace(counted, limit_per_second=limit, rate_fraction=fraction, learned_at=now)


def _learn_slow(accepted: int, accepted_per_second: float, refused_per_second: float) -> float:
    """Learn a limit of a few starts per second.

    Its allowance is one or two starts, and some go unused in every pause, so the accepted rate is
    below the limit. The refused rate is above it, so one refusal is enough.
    """
    if accepted >= _SMALL_STEP_STARTS:
        return _SMALL_STEP * refused_per_second
    between = math.sqrt(accepted_per_second * refused_per_second)
    return min(between, _STEP * refused_per_second)
