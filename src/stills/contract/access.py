"""Callers of a service: their keys, their budgets and their earlier answers."""

from dataclasses import dataclass, field

SESSION_SECONDS = 7 * 86_400.0
"""After this, a browser that logged in with a key must do so again."""


@dataclass(frozen=True, slots=True)
class BudgetOwner:
    """The caller whose budget a request uses. `day_usd` caps a UTC day in USD; None: no cap."""

    name: str
    day_usd: float | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key of our own service. `digest` is the SHA-256 of its secret part, in hex.

    `per_second` limits its requests; None: no limit. Times are Unix seconds.
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
    """The first use of a client's idempotency key. `answer` is JSON, None until it is known."""

    digest: str
    answer: str | None
    begun_at: float = field(default=0.0, compare=False)
    """When the key was first used, in Unix seconds."""
