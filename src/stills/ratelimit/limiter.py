"""Limiter: delays the API calls of this process, and slows all processes down on a refusal."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

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


class StartTooLate(RateLimited):
    """The call could not start in time for its deadline; it was not sent.

    `retry_after_seconds` is when a new attempt can succeed.
    """


def rate_limit_of(scope: LimitScope, model: Model | None, given: RateLimit | None) -> RateLimit:
    """Return the given limit, or else the model's; without either there is no limit."""
    if given is not None:
        return given
    if not is_paid(scope.provider) or model is None or model.requests_per_minute is None:
        return RateLimit()
    return RateLimit(model.requests_per_minute / 60.0)


class RateLimiter:
    """Delays the calls to one model from this process; `clock` returns Unix seconds."""

    def __init__(
        self,
        catalog: LimiterStates,
        scope: LimitScope,
        limit: RateLimit,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limit = limit
        self._catalog = catalog
        self._scope = scope
        self._clock = clock
        self._queue = asyncio.Lock()
        self._waiting = 0
        self._starts: deque[float] = deque()
        self._state: LimiterState | None = None

    async def start(self, *, patience_seconds: float) -> float:
        """Wait until a call may start; returns that time in Unix seconds, 0 without a limit.

        Raises:
            StartTooLate: the wait would be longer than `patience_seconds`.
        """
        if self.limit.is_unlimited:
            return 0.0
        latest_at = self._clock() + patience_seconds
        self._check(latest_at, ahead=self._waiting)
        self._waiting += 1
        try:
            async with self._queue:  # in order of arrival
                start_at = await self._take(latest_at)
        finally:
            self._waiting -= 1
        await asyncio.sleep(start_at - self._clock())
        return start_at

    async def quota(self) -> Quota:
        """Return the limit and its use by all processes that share the catalog."""
        since = self._clock() - 60.0
        state, sends = await self._catalog.read_limiter_state(self._scope, since=since)
        if self.limit.is_unlimited:
            return Quota(None, None, sends)
        if state is None:
            return Quota(self.limit.per_second, self.limit.per_second, sends)
        limit_per_second = self.limit.per_second or state.limit_per_second
        return Quota(limit_per_second, limit_per_second * state.rate_fraction, sends)

    async def slow_down(self, *, started_at: float, retry_after_seconds: float | None) -> None:
        """Record that the service refused a call that started at `started_at`."""
        if self.limit.is_unlimited:
            return

        def change(state: LimiterState | None) -> tuple[LimiterState, LimiterState]:
            state = slow_down(
                state,
                self.limit,
                now=self._clock(),
                started_at=started_at,
                retry_after_seconds=retry_after_seconds,
            )
            return state, state

        self._state = await self._catalog.update_limiter_state(self._scope, change)

    async def _take(self, latest_at: float) -> float:
        while True:
            while self._starts:
                start_at = self._starts.popleft()
                if start_at >= self._clock() - LOOKAHEAD_SECONDS:  # else its caller has given up
                    return start_at
            state, starts = await self._catalog.update_limiter_state(self._scope, self._next_starts)
            self._state = state
            self._starts.extend(starts)
            if not starts:
                self._check(latest_at)
                until_next = next_start_at(state) - LOOKAHEAD_SECONDS - self._clock()
                await asyncio.sleep(until_next)

    def _next_starts(
        self, state: LimiterState | None
    ) -> tuple[LimiterState, tuple[LimiterState, tuple[float, ...]]]:
        taken = take_starts(state, self.limit, now=self._clock(), wanted=self._waiting)
        return taken[0], taken

    def _check(self, latest_at: float, *, ahead: int = 0) -> None:
        """Reject a call at once if it would wait too long behind `ahead` others."""
        if self._state is None:
            return
        now, interval = self._clock(), interval_seconds(self._state)
        start_at = max(now, next_start_at(self._state)) + ahead * interval
        if start_at > max(latest_at, now + LOOKAHEAD_SECONDS):
            raise StartTooLate(
                f"rate limit: the next free start is in {start_at - now:.0f} s, after the deadline",
                retry_after_seconds=start_at - max(now, latest_at) + interval,
            )
