"""How fast sends may start: the limit set, and the pace that all processes of a catalog share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lane:
    """What the service limits by itself: all sends of one account to one model."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Starts a second at most; `find` is for an account whose limit is unknown. Neither: none."""

    per_second: float | None = None
    find: bool = False

    @property
    def is_none(self) -> bool:
        """Whether sends start as they come."""
        return self.per_second is None and not self.find


NO_LIMIT = RateLimit()
FIND_LIMIT = RateLimit(find=True)


@dataclass(frozen=True, slots=True)
class Pace:
    """Where a lane stands. Times are Unix seconds.

    Starts are spread at `share` of `limit_per_second`; a refusal lowers the share, and each start
    gives `recovery` of the limit back. `calm` counts the starts since then that were not refused.
    `proven_per_second` is the rate that was left when refusals began to follow each other: it is
    soon regained. `accepted` and `refused` count starts since `counted_from`, to find a limit that
    nobody told us; `learned_at` is when it was last found to be lower than thought, 0 if never.
    """

    limit_per_second: float
    started_at: float
    counted_from: float
    updated_at: float
    share: float = 1.0
    recovery: float = 0.05
    held_until: float = 0.0
    lowered_at: float = 0.0
    learned_at: float = 0.0
    accepted: int = 0
    refused: int = 0
    calm: int = 0
    proven_per_second: float = 0.0

    @property
    def per_second(self) -> float:
        """The rate at the moment."""
        return self.limit_per_second * self.share


@dataclass(frozen=True, slots=True)
class Quota:
    """What is used of an account's limit by all processes that share the catalog.

    `limit_per_second` is the limit set, or found so far; None where there is none. `per_second` is
    the rate at the moment, lower for a while after the service refused.
    """

    limit_per_second: float | None
    per_second: float | None
    sends_last_minute: int
