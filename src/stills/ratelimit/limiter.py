"""Pacer: lets each send of this process wait for its start, and slows all down on a refusal."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from stills.contract.errors import RateLimited
from stills.contract.models import MODELS
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
    """The send's turn comes too late for its deadline; it was not sent.

    `retry_after_seconds` says when there is room again.
    """


def rate_limit_of(lane: LimitScope, given: RateLimit | None) -> RateLimit:
    """Give the limit set, else the model table's; without either there is none."""
    if given is not None:
        return given
    model = MODELS.get(lane.model)
    if not is_paid(lane.provider) or model is None or model.requests_per_minute is None:
        return RateLimit()
    return RateLimit(model.requests_per_minute / 60.0)


class RateLimiter:
    """The starts of one lane, for all requests of this process; `clock` gives Unix seconds."""

    def __init__(
        self,
        catalog: LimiterStates,
        lane: LimitScope,
        limit: RateLimit,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limit = limit
        self._catalog = catalog
        self._lane = lane
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._starts: deque[float] = deque()
        self._pace: LimiterState | None = None

    async def start(self, *, patience_seconds: float) -> float:
        """Wait for a start and give its time, Unix seconds; 0 where there is no limit.

        Raises:
            TurnTooLate: it is further away than `patience_seconds`.
        """
        if self.limit.is_unlimited:
            return 0.0
        latest_at = self._clock() + patience_seconds
        self._check(latest_at, ahead=self._waiting)
        self._waiting += 1
        try:
            async with self._turn:  # first come, first served
                start_at = await self._take(latest_at)
        finally:
            self._waiting -= 1
        await asyncio.sleep(start_at - self._clock())
        return start_at

    async def quota(self) -> Quota:
        """Tell what is used of the limit, by all who share the catalog."""
        since = self._clock() - 60.0
        pace, sends = await self._catalog.read_limiter_state(self._lane, since=since)
        if self.limit.is_unlimited:
            return Quota(None, None, sends)
        if pace is None:
            return Quota(self.limit.per_second, self.limit.per_second, sends)
        limit_per_second = self.limit.per_second or pace.limit_per_second
        return Quota(limit_per_second, limit_per_second * pace.rate_fraction, sends)

    async def slow_down(self, *, started_at: float, retry_after_seconds: float | None) -> None:
        """Take in that the service refused a send that started at `started_at`."""
        if self.limit.is_unlimited:
            return

        def change(pace: LimiterState | None) -> tuple[LimiterState, LimiterState]:
            pace = slow_down(
                pace,
                self.limit,
                now=self._clock(),
                started_at=started_at,
                retry_after_seconds=retry_after_seconds,
            )
            return pace, pace

        self._pace = await self._catalog.update_limiter_state(self._lane, change)

    async def _take(self, latest_at: float) -> float:
        while True:
            while self._starts:
                start_at = self._starts.popleft()
                if start_at >= self._clock() - LOOKAHEAD_SECONDS:  # else whose it was has given up
                    return start_at
            pace, starts = await self._catalog.update_limiter_state(self._lane, self._next_starts)
            self._pace = pace
            self._starts.extend(starts)
            if not starts:
                self._check(latest_at)
                until_next = next_start_at(pace) - LOOKAHEAD_SECONDS - self._clock()
                await asyncio.sleep(until_next)

    def _next_starts(
        self, pace: LimiterState | None
    ) -> tuple[LimiterState, tuple[LimiterState, tuple[float, ...]]]:
        taken = take_starts(pace, self.limit, now=self._clock(), wanted=self._waiting)
        return taken[0], taken

    def _check(self, latest_at: float, *, ahead: int = 0) -> None:
        """Refuse at once what would wait in vain, with `ahead` others before it."""
        if self._pace is None:
            return
        now, interval = self._clock(), interval_seconds(self._pace)
        start_at = max(now, next_start_at(self._pace)) + ahead * interval
        if start_at > max(latest_at, now + LOOKAHEAD_SECONDS):
            raise StartTooLate(
                f"by the rate limit the next free start is in {start_at - now:.0f} s, "
                "too late for the deadline",
                retry_after_seconds=start_at - max(now, latest_at) + interval,
            )
