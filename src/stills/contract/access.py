"""Who may ask a service, what they may spend, and what they were answered before."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetOwner:
    """Who a request counts towards. `day_usd` caps a UTC day in USD; None is no cap."""

    name: str
    day_usd: float | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the service's own. `digest` is the SHA-256 of its secret part, in hex.

    `per_second` is how fast it may ask, None for no limit. Times are Unix seconds.
    """

    id: str
    name: str
    digest: str
    day_usd: float | None
    per_second: float | None
    created_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What a client's idempotency key was first used for; `answer` is JSON, None until then."""

    digest: str
    answer: str | None
