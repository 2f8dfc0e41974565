"""Who may ask a service, what they may spend, and what they were answered before."""

from dataclasses import dataclass
from typing import Protocol


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


class ApiKeys(Protocol):
    """Remembers the service's keys, for many processes at once; raises CatalogError."""

    async def add(self, key: ApiKey) -> bool:
        """Remember a key; False if another of that name is in use."""
        ...

    async def find(self, key_id: str) -> ApiKey | None:
        """Look a key up, revoked or not."""
        ...

    async def list(self) -> tuple[ApiKey, ...]:
        """List all keys ever made, the oldest first."""
        ...

    async def revoke(self, name: str, *, now: float) -> bool:
        """Take a key out of use; False if none of that name is in use."""
        ...

    async def take_turn(self, key: ApiKey, *, now: float) -> float:
        """Count a request of a key; gives the seconds it comes too early, 0 if it may go on."""
        ...


class IdempotencyStore(Protocol):
    """Remembers what was answered to idempotency keys; raises CatalogError."""

    async def begin(self, owner: str, key: str, digest: str) -> IdempotencyRecord:
        """Bind a key to a body's digest, unless it is bound; what is a day old is forgotten."""
        ...

    async def finish(self, owner: str, key: str, answer: str) -> str:
        """Remember an answer, unless there is one; gives the one that stands."""
        ...
