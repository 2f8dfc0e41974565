"""When the lease of a process that may be alive counts as over, during its call.

While Postgres was away, no holder could renew its lease. A worker that comes back first must not
take a call over that is still running, so it waits long enough for the holder to come back too.
"""

import time
from collections.abc import Callable

GRACE_SECONDS = 12.0
"""A holder renews its lease more often than this, and retries every second when that fails."""

_FORGET_SECONDS = 3600.0


class LapsedClaims:
    """The lapsed leases that this process has seen, and since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._seen: dict[tuple[str, object], float] = {}

    def may_take_over(self, token: str, lease_until: object) -> bool:
        """Return whether a lease was seen lapsed, and never renewed, for long enough."""
        now = self.clock()
        self._seen = {
            lease: since for lease, since in self._seen.items() if now - since < _FORGET_SECONDS
        }
        return now - self._seen.setdefault((token, lease_until), now) >= GRACE_SECONDS

    def forget(self) -> None:
        """Start again, because the database could not be read: holders could not write either."""
        self._seen = {}
