"""Limiter: delays the API calls of this process, and slows all processes down on a refusal."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass

from stills.contract.errors import RateLimited
from stills.contract.models import Model
from stills.contract.ports.limiter_state import LimiterStates
from stills.contract.providers import is_paid
from stills.contract.rate_limit import LimiterState, LimitScope, Quota, RateLimit
from stills.ratelimit.aimd import (
    LOOKAHEAD_SECONDS,
    interval_seconds,
    next_start_at,
    slow_down,
    take_starts,
)

_clock = time.monotonic
_LOG = logging.getLogger("stills")
_LOGGED_SECONDS = 1.0


class StartTooLate(RateLimited):
    """The call could not start in time for its deadline; it was not sent.

    `retry_after_seconds` is when a new attempt can succeed.
    """


@dataclass(frozen=True, slots=True)
class _Start:
    """When a call may start: by the catalog's clock (Unix seconds), and by this process's."""

    at: float
    here_at: float


def rate_limit_of(scope: LimitScope, model: Model | None, given: RateLimit | None) -> RateLimit:
    """Return the given limit, or else the model's; without either there is no limit."""
    if given is not None:
        return given
    if not is_paid(scope.provider) or model is None or model.requests_per_minute is None:
        return RateLimit()
    return RateLimit(model.requests_per_minute / 60.0)


class RateLimiter:
    """Delays the calls to one model from this process.

    All processes go by the catalog's clock. Each measures how far it is from a clock of its own,
    which nobody sets, and so learns in how many seconds a call may start.
    """

    def __init__(self, catalog: LimiterStates, scope: LimitScope, limit: RateLimit) -> None:
        self.limit = limit
        self._catalog = catalog
        self._scope = scope
        self._queue = asyncio.Lock()
        self._waiting = 0
        self._starts: deque[_Start] = deque()
        self._state: LimiterState | None = None
        self._ahead_seconds = 0.0  # of the catalog's clock

    async def start(self, *, patience_seconds: float) -> float:
        """Wait until a call may start; returns that time by the catalog's clock, 0 without a limit.

        Raises:
            StartTooLate: the wait would be longer than `patience_seconds`.
        """
        if self.limit.is_unlimited:
            return 0.0
        latest_at = _clock() + patience_seconds
        self._check(latest_at, ahead=self._waiting)
        self._waiting += 1
        try:
            async with self._queue:  # in order of arrival
                start = await self._take(latest_at)
        finally:
            self._waiting -= 1
        await _sleep(start.here_at - _clock())
        return start.at

    async def quota(self) -> Quota:
        """Return the limit and its use by all processes that share the catalog."""
        state, sends = await self._catalog.read_limiter_state(self._scope, seconds=60.0)
        if self.limit.is_unlimited:
            return Quota(None, None, sends)
        if state is None:
            return Quota(self.limit.per_second, self.limit.per_second, sends)
        limit_per_second = self.limit.per_second or state.limit_per_second
        return Quota(limit_per_second, limit_per_second * state.rate_fraction, sends)

    async def slow_down(self, *, started_at: float, retry_after_seconds: float | None) -> None:
        """Record that the service refused a call; `started_at` is what `start` returned for it."""
        if self.limit.is_unlimited:
            return

        def change(
            state: LimiterState | None, now: float
        ) -> tuple[LimiterState, tuple[LimiterState, float]]:
            state = slow_down(
                state,
                self.limit,
                now=now,
                started_at=started_at,
                retry_after_seconds=retry_after_seconds,
            )
            return state, (state, now - _clock())

        changed = await self._catalog.update_limiter_state(self._scope, change)
        self._state, self._ahead_seconds = changed

    async def _take(self, latest_at: float) -> _Start:
        while True:
            while self._starts:
                start = self._starts.popleft()
                if start.here_at >= _clock() - LOOKAHEAD_SECONDS:  # else its caller has given up
                    return start
            taken = await self._catalog.update_limiter_state(self._scope, self._next_starts)
            state, self._ahead_seconds, starts = taken
            self._state = state
            self._starts.extend(_Start(at, self._here(at)) for at in starts)
            if not starts:
                self._check(latest_at)
                until_next = self._here(next_start_at(state)) - LOOKAHEAD_SECONDS - _clock()
                await _sleep(until_next)

    def _next_starts(
        self, state: LimiterState | None, now: float
    ) -> tuple[LimiterState, tuple[LimiterState, float, tuple[float, ...]]]:
        state, starts = take_starts(state, self.limit, now=now, wanted=self._waiting)
        return state, (state, now - _clock(), starts)

    def _here(self, at: float) -> float:
        """Convert a time of the catalog's clock."""
        return at - self._ahead_seconds

    def _check(self, latest_at: float, *, ahead: int = 0) -> None:
        """Reject a call at once if it would wait too long behind `ahead` others."""
        if self._state is None:
            return
        now, interval = _clock(), interval_seconds(self._state)
        start_at = max(now, self._here(next_start_at(self._state))) + ahead * interval
        if start_at > max(latest_at, now + LOOKAHEAD_SECONDS):
            raise StartTooLate(
                f"rate limit: the next free start is in {start_at - now:.0f} s, after the deadline",
                retry_after_seconds=start_at - max(now, latest_at) + interval,
            )


async def _sleep(seconds: float) -> None:
    if seconds >= _LOGGED_SECONDS:
        _LOG.info("rate limit: %.0f s", seconds)
    await asyncio.sleep(seconds)
