"""Limiter state: what the rate limiters of all processes share."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from stills.contract.rate_limit import LimiterState, LimitScope

Value = TypeVar("Value")


class LimiterStates(Protocol):
    """Holds one opaque state per scope. Raises CatalogError when it fails."""

    async def update_limiter_state(
        self,
        scope: LimitScope,
        change: Callable[[LimiterState | None, float], tuple[LimiterState, Value]],
    ) -> Value:
        """Change the state of a scope while no other process does; it is None at first.

        `change` gets the state and the time by the catalog's clock (Unix seconds), the same clock
        for all machines. It returns the new state and the value that this method returns. It
        changes nothing itself, and may run in any thread and more than once.
        """
        ...

    async def read_limiter_state(
        self, scope: LimitScope, *, seconds: float
    ) -> tuple[LimiterState | None, int]:
        """Read the state of a scope, and count its calls of the last `seconds`.

        Rejected calls count too.
        """
        ...
