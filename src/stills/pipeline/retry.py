"""Retry: decide what to do about a failed send. Pure but for the jitter."""

import random
from dataclasses import dataclass

from stills.contract.errors import (
    ConnectionLost,
    NoImage,
    RateLimited,
    ServiceUnavailable,
    ServiceUnreachable,
    StillsError,
)
from stills.pipeline.policy import Policy

_TRANSIENT = (ServiceUnavailable, ServiceUnreachable, ConnectionLost)


@dataclass(frozen=True, slots=True)
class Resend:
    """Send again after a wait, with the prompt simplified or not."""

    wait_seconds: float
    simplified: bool = False


class Retries:
    """The allowance of one generation.

    429: until the deadline, as the service asks or with exponential backoff and full jitter; where
    sends are `paced`, the pace waits for all of them together instead.
    5xx and broken connections: twice more. No image: once more with a simpler prompt. The rest,
    a timed-out answer included, never: it may have been paid for.
    """

    def __init__(self, policy: Policy, *, paced: bool = False) -> None:
        self._policy = policy
        self._paced = paced
        self._throttled = 0
        self._transient = 0
        self._simplified = False

    def next(self, error: StillsError) -> Resend | None:
        """Decide about a failed send; None gives up."""
        if isinstance(error, RateLimited):
            if self._paced:
                return Resend(0.0)
            self._throttled += 1
            if error.retry_after_seconds is not None:
                # Many clients get the same Retry-After: spread them, but none comes early.
                return Resend(error.retry_after_seconds * random.uniform(1.0, 1.2))  # noqa: S311
            return Resend(self._backoff_seconds(self._throttled))
        if isinstance(error, _TRANSIENT) and self._transient < self._policy.transient_resends:
            self._transient += 1
            return Resend(self._backoff_seconds(self._transient), self._simplified)
        if isinstance(error, NoImage) and not self._simplified:
            self._simplified = True
            return Resend(0.0, simplified=True)
        return None

    def _backoff_seconds(self, attempt: int) -> float:
        longest = self._policy.backoff_base_seconds * 2.0 ** min(attempt, 16)
        return random.uniform(0.0, min(self._policy.backoff_cap_seconds, longest))  # noqa: S311
