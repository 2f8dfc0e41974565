"""Retry: decide what to do about a failed call. Pure but for the jitter."""

import random
from dataclasses import dataclass

from stills.contract.errors import (
    Billing,
    NoImage,
    RateLimited,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
)
from stills.pipeline.policy import Policy

_TRANSIENT = (ServiceUnavailable, ServiceUnreachable)


@dataclass(frozen=True, slots=True)
class Resend:
    """Send again after a wait, with the prompt simplified or not."""

    wait_seconds: float
    simplified: bool = False


class Retries:
    """What one request may still repeat.

    A call that may have made an image is repeated only as often as the policy allows, by default
    never: its `billing` decides that, not its class. Of those that certainly made none, a 429 is
    repeated until the deadline, as the service asks or with exponential backoff and full jitter;
    if calls are rate-limited, the limiter waits for all of them instead. 5xx and failed
    connections are repeated twice, an answer without an image once, with a simpler prompt.
    """

    def __init__(self, policy: Policy, *, is_rate_limited: bool = False) -> None:
        self._policy = policy
        self._is_rate_limited = is_rate_limited
        self._throttled = 0
        self._transient = 0
        self._unknown = 0
        self._simplified = False

    def next(self, error: StillsError) -> Resend | None:
        """Decide about a call that failed, by what this call alone may have cost; None gives up."""
        if error.billing is not Billing.NONE:
            return self._repeat_unknown()
        if isinstance(error, RateLimited):
            return self._repeat_throttled(error)
        if isinstance(error, _TRANSIENT) and self._transient < self._policy.transient_resends:
            self._transient += 1
            return Resend(self._backoff_seconds(self._transient), self._simplified)
        if isinstance(error, NoImage) and not self._simplified:
            self._simplified = True
            return Resend(0.0, simplified=True)
        return None

    def _repeat_unknown(self) -> Resend | None:
        if self._unknown >= self._policy.unknown_resends:
            return None
        self._unknown += 1
        return Resend(self._backoff_seconds(self._unknown), self._simplified)

    def _repeat_throttled(self, error: RateLimited) -> Resend:
        if self._is_rate_limited:
            return Resend(0.0, self._simplified)
        self._throttled += 1
        if error.retry_after_seconds is not None:
            # Many clients get the same Retry-After: spread them, but none comes early.
            wait_seconds = error.retry_after_seconds * random.uniform(1.0, 1.2)  # noqa: S311
        else:
            wait_seconds = self._backoff_seconds(self._throttled)
        return Resend(wait_seconds, self._simplified)

    def _backoff_seconds(self, attempt: int) -> float:
        longest = self._policy.backoff_base_seconds * 2.0 ** min(attempt, 16)
        return random.uniform(0.0, min(self._policy.backoff_cap_seconds, longest))  # noqa: S311
