"""Rate limits, and the limiter's state, which all processes of a catalog share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LimitScope:
    """The scope of one limit of the service: all calls of one account to one model.

    `account` is what the provider calls it: a digest, empty if unknown.
    """

    provider: str
    model: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Maximum request starts per second; `learn` discovers an unknown limit. Neither: unlimited."""

    per_second: float | None = None
    learn: bool = False

    @property
    def is_unlimited(self) -> bool:
        """Whether requests start without waiting."""
        return self.per_second is None and not self.learn


NO_LIMIT = RateLimit()
LEARN_LIMIT = RateLimit(learn=True)


@dataclass(frozen=True, slots=True)
class LimiterState:
    """State of the limiter for one scope. Times are Unix seconds.

    Requests start at `rate_fraction` of `limit_per_second`. A refusal lowers that fraction; each
    start adds `recovery` to it. `accepted_since_refusal` counts the starts since the last refusal.
    `last_good_per_second` is the rate before a series of refusals; the limiter soon returns to
    it. `accepted` and `refused` count starts since `counted_from`, to learn an unknown
    limit; `learned_at` is when the limit was last found to be lower than assumed, 0 if never.
    """

    limit_per_second: float
    started_at: float
    counted_from: float
    updated_at: float
    rate_fraction: float = 1.0
    recovery: float = 0.05
    paused_until: float = 0.0
    lowered_at: float = 0.0
    learned_at: float = 0.0
    accepted: int = 0
    refused: int = 0
    accepted_since_refusal: int = 0
    last_good_per_second: float = 0.0

    @property
    def per_second(self) -> float:
        """The current rate."""
        return self.limit_per_second * self.rate_fraction


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of an account's limit is used by all processes that share the catalog.

    `limit_per_second` is the configured or learned limit; None if there is no limit. `per_second`
    is the current rate, which is lower for a while after a refusal.
    """

    limit_per_second: float | None
    per_second: float | None
    sends_last_minute: int
