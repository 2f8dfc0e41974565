"""The rate limit: a token bucket, because the service enforces its limit per second too."""

import math
import time

from stills.sandbox.errors import throttled


class TokenBucket:
    """At most `per_second` requests per second, after a burst of that many; None means no limit."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self.refill()

    def refill(self) -> None:
        """Fill the bucket."""
        self._capacity = max(1.0, self._per_second or 0.0)
        self._tokens = self._capacity
        self._counted_at = time.monotonic()

    def take(self) -> None:
        """Let a request pass, or raise 429 with the seconds until the next one may."""
        if self._per_second is None:
            return
        now = time.monotonic()
        earned = (now - self._counted_at) * self._per_second
        self._tokens = min(self._capacity, self._tokens + earned)
        self._counted_at = now
        if self._tokens < 1:
            raise throttled(max(1, math.ceil((1 - self._tokens) / self._per_second)))
        self._tokens -= 1
