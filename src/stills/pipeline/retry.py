"""Retry: decide what to do about a failed call. Pure, except for the jitter."""

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
class Retry:
    """Retry after a wait, with or without a simplified prompt."""

    wait_seconds: float
    simplified: bool


class Retries:
    """The retries that one request has left.

    A call that may have made an image, by its error's `billing`, is retried only as often as the
    policy allows, by default never. Calls that certainly made none are retried: a 429 until the
    deadline, after Retry-After or exponential backoff with full jitter, unless calls are
    rate-limited here, which delays them all; 5xx and failed connections twice; an answer without
    an image once, with a simpler prompt.
    """

    def __init__(self, policy: Policy, *, is_rate_limited: bool = False) -> None:
        self._policy = policy
        self._is_rate_limited = is_rate_limited
        self._throttled = 0
        self._transient = 0
        self._unknown = 0
        self._simplified = False

    def next(self, error: StillsError) -> Retry | None:
        """Return how to retry a failed call, by this call's own billing; None to give up."""
        if error.billing is not Billing.NONE:
            return self._retry_unknown()
        if isinstance(error, RateLimited):
            return self._retry_throttled(error)
        if isinstance(error, _TRANSIENT) and self._transient < self._policy.transient_resends:
            self._transient += 1
            return Retry(self._backoff_seconds(self._transient), self._simplified)
        if isinstance(error, NoImage) and not self._simplified:
            self._simplified = True
            return Retry(0.0, simplified=True)
        return None

    def _retry_unknown(self) -> Retry | None:
        if self._unknown >= self._policy.unknown_resends:
            return None
        self._unknown += 1
        return Retry(self._backoff_seconds(self._unknown), self._simplified)

    def _retry_throttled(self, error: RateLimited) -> Retry:
        if self._is_rate_limited:
            return Retry(0.0, self._simplified)
        self._throttled += 1
        if error.retry_after_seconds is not None:
            # Many clients get the same Retry-After. Spread them out, but never retry early.
            wait_seconds = error.retry_after_seconds * random.uniform(1.0, 1.2)  # noqa: S311
        else:
            wait_seconds = self._backoff_seconds(self._throttled)
        return Retry(wait_seconds, self._simplified)

    def _backoff_seconds(self, attempt: int) -> float:
        longest = self._policy.backoff_base_seconds * 2.0 ** min(attempt, 16)
        return random.uniform(0.0, min(self._policy.backoff_cap_seconds, longest))  # noqa: S311
