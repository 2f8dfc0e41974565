"""Pace: when the next send may start. Pure; times are Unix seconds.

Starts are spread evenly, for the service enforces a minute's limit by the second. A refusal lowers
the rate at once, and each start that follows raises it again: multiplicative down, additive up.
Where refusals follow each other, the service refuses whatever comes: once it accepts again, the
rate is soon what it was before. An unknown limit is found by doubling the rate until the first
refusal. From then on what was accepted from one refusal to another tells the limit, since at both
the allowance was used up; where it is a few starts a second, what was refused tells more.
"""

import math
from dataclasses import replace

from stills.contract.rate_limit import LimiterState, RateLimit

LOOKAHEAD_SECONDS = 0.25
"""How far ahead a start is given out, so that no start waits for the catalog."""

_MARGIN = 1.01  # what is a little late makes the next one early, by the service's clock
_LOWERED, _REGAINED = 0.8, 2.0
_RECOVERY, _RECOVERY_LEAST = 0.05, 0.002
_GROWTH, _CALM_GROWTH, _GROWTH_CALM_STARTS = 1.02, 1.15, 20
_SLOWEST_PER_SECOND, _SLOWEST_SHARE, _SLOWEST_BY_SHARE_PER_SECOND = 1 / 60, 0.05, 0.2
_SURE_SECONDS = 1.0  # a refusal comes sooner than that

_FIRST_GUESS_PER_SECOND = 1.0
_AFTER_FIRST_REFUSAL = 0.7
_DOUBLING = 0.35  # more starts a second after each start: twice as many in 2 s
_PROBING, _PROBING_SLOWLY = 0.003, 0.00125
_PROBING_SECONDS = 30.0
_ENOUGH_STARTS, _ENOUGH_REFUSALS = 20, 4
_SLOW_PER_SECOND = 2.0
_STEP, _CALM_STEP, _CALM_STARTS = 0.9, 0.95, 10
_IDLE_SECONDS = 1.0


def take_starts(
    pace: LimiterState | None, limit: RateLimit, *, now: float, wanted: int
) -> tuple[LimiterState, tuple[float, ...]]:
    """Give out the next starts, at most `wanted`, none beyond the lookahead."""
    pace = _fit(pace, limit, now)
    starts: list[float] = []
    while len(starts) < wanted:
        at = max(now, next_start_at(pace))
        if at > now + LOOKAHEAD_SECONDS:
            break
        pace = _count_start(pace, limit, at)
        starts.append(at)
    return pace, tuple(starts)


def next_start_at(pace: LimiterState) -> float:
    """The earliest time of the next start, if the rate stays as it is."""
    return max(pace.paused_until, pace.started_at + interval_seconds(pace))


def interval_seconds(pace: LimiterState) -> float:
    """The time from one start to the next."""
    return _MARGIN / pace.per_second


def slow_down(
    pace: LimiterState | None,
    limit: RateLimit,
    *,
    now: float,
    started_at: float,
    retry_after_seconds: float | None,
) -> LimiterState:
    """Take in that the service refused a send that started at `started_at`."""
    pace = _fit(pace, limit, now)
    pace = replace(
        pace,
        accepted=max(0, pace.accepted - 1),
        accepted_since_refusal=max(0, pace.accepted_since_refusal - 1),
        paused_until=max(pace.paused_until, now + (retry_after_seconds or 0.0)),
    )
    if started_at <= pace.lowered_at:
        return pace  # it was given out before the rate was lowered: it says nothing of the new one
    lowered = replace(
        pace,
        refused=pace.refused + 1,
        rate_fraction=max(_least_share(pace), pace.rate_fraction * _LOWERED),
        lowered_at=max(now, pace.started_at),
        accepted_since_refusal=0,
    )
    if limit.learn:
        lowered = _learn(lowered, now, refused_per_second=pace.per_second)
    if pace.accepted_since_refusal == 0:
        return lowered  # nothing was accepted since the last refusal: the rate is not the reason
    lowered = replace(lowered, last_good_per_second=lowered.per_second)
    # One refusal is soon made good. Where there are many, the rate rises ever slower.
    return replace(
        lowered, recovery=max(_RECOVERY_LEAST, pace.recovery / (1 if limit.learn else 2))
    )


def _least_share(pace: LimiterState) -> float:
    limit = pace.limit_per_second
    by_share = min(_SLOWEST_SHARE, _SLOWEST_BY_SHARE_PER_SECOND / limit)
    return min(1.0, max(by_share, _SLOWEST_PER_SECOND / limit))


def _fit(pace: LimiterState | None, limit: RateLimit, now: float) -> LimiterState:
    """Begin a pace, or bring one that others left up to the limit and the clock of today."""
    if pace is None:
        per_second = limit.per_second or _FIRST_GUESS_PER_SECOND
        return LimiterState(per_second, started_at=0.0, counted_from=now, updated_at=now)
    behind_seconds = now - pace.updated_at
    if behind_seconds < 0.0:  # the clock was set back: without this, all would wait for it
        pace = replace(
            pace,
            started_at=pace.started_at + behind_seconds,
            paused_until=pace.paused_until + behind_seconds,
            lowered_at=pace.lowered_at + behind_seconds,
            learned_at=pace.learned_at and pace.learned_at + behind_seconds,
            counted_from=pace.counted_from + behind_seconds,
        )
    return replace(
        pace,
        limit_per_second=limit.per_second or pace.limit_per_second,
        updated_at=now,
    )


def _count_start(pace: LimiterState, limit: RateLimit, at: float) -> LimiterState:
    pause_seconds = at - max(pace.paused_until, pace.started_at + interval_seconds(pace))
    if pause_seconds > _IDLE_SECONDS:
        pace = _count_anew(pace, at)  # nobody wanted to start
    started = replace(
        pace,
        started_at=at,
        accepted=pace.accepted + 1,
        accepted_since_refusal=pace.accepted_since_refusal + 1,
    )
    if pace.per_second < pace.last_good_per_second:
        is_sure = (
            pace.accepted_since_refusal > 0
            and at - max(pace.lowered_at, pace.paused_until) >= _SURE_SECONDS
        )
        return _regain(started, limit) if is_sure else started
    growth = _GROWTH if pace.accepted_since_refusal < _GROWTH_CALM_STARTS else _CALM_GROWTH
    raised = _raise(pace, at) if limit.learn and pause_seconds <= 0.0 else 0.0
    return replace(
        started,
        limit_per_second=pace.limit_per_second + raised,
        rate_fraction=min(1.0, pace.rate_fraction + pace.recovery),
        recovery=min(_RECOVERY, pace.recovery * growth),
    )


def _regain(pace: LimiterState, limit: RateLimit) -> LimiterState:
    """Double the rate, up to what was accepted before refusals began to follow each other."""
    per_second = min(pace.last_good_per_second, pace.per_second * _REGAINED)
    if limit.learn:
        learned = max(pace.limit_per_second, per_second)
        pace = _count_anew(pace, pace.started_at)
        return replace(pace, limit_per_second=learned, rate_fraction=per_second / learned)
    return replace(pace, rate_fraction=min(1.0, per_second / pace.limit_per_second))


def _count_anew(pace: LimiterState, at: float) -> LimiterState:
    """Forget what was accepted so far, where it says nothing about the limit."""
    learned_at = at if pace.learned_at else 0.0
    return replace(pace, counted_from=at, accepted=0, refused=0, learned_at=learned_at)


def _raise(pace: LimiterState, at: float) -> float:
    """How much the unknown limit is raised by a start, in starts a second."""
    if not pace.learned_at:
        return _DOUBLING
    calm = (at - pace.learned_at) / _PROBING_SECONDS
    probing = min(_PROBING, _PROBING_SLOWLY * pace.limit_per_second)
    return min(_DOUBLING, probing * max(1.0, calm**3))


def _learn(pace: LimiterState, now: float, *, refused_per_second: float) -> LimiterState:
    """Take the limit from what was accepted since an earlier refusal, and from what was not."""
    # A refusal uses up to one start of the allowance, for the wait after it.
    accepted = pace.accepted + 1 + min(pace.refused, pace.accepted // 10)
    accepted_per_second = accepted / max(now - pace.counted_from, 1e-3)
    if not pace.learned_at:
        limit, share = pace.limit_per_second * _AFTER_FIRST_REFUSAL, pace.rate_fraction
    elif refused_per_second < _SLOW_PER_SECOND:
        limit, share = _learn_slow(pace.accepted, accepted_per_second, refused_per_second), 1.0
    elif pace.accepted + pace.refused < _ENOUGH_STARTS and pace.refused < _ENOUGH_REFUSALS:
        return pace
    else:
        limit, share = accepted_per_second, pace.rate_fraction
    counted = replace(pace, counted_from=now, accepted=0, refused=0)
    if limit >= pace.limit_per_second:
        return counted
    return replace(counted, limit_per_second=limit, rate_fraction=share, learned_at=now)


def _learn_slow(accepted: int, accepted_per_second: float, refused_per_second: float) -> float:
    """Lower a limit of few starts a second.

    There the allowance is one start or two, of which each pause lets some go unused: what was
    accepted is less than the limit. What was refused is more, so one refusal tells enough.
    """
    if accepted >= _CALM_STARTS:
        return _CALM_STEP * refused_per_second
    between = math.sqrt(accepted_per_second * refused_per_second)
    return min(between, _STEP * refused_per_second)
