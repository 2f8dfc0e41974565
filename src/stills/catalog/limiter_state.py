"""The limiter state of each scope, in one row that all processes share."""

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import TypeVar

from stills.catalog.connection import Connection
from stills.catalog.queries import LOCK
from stills.contract.rate_limit import LimiterState, LimitScope

Value = TypeVar("Value")

_COLUMNS = tuple(field.name for field in fields(LimiterState))

# A state from before accounts were told apart has no account; every account begins with it.
_READ = f"""
SELECT unix_now() AS now, {", ".join(_COLUMNS)}
FROM (SELECT 1) AS one
LEFT JOIN limiter_states
       ON provider = :provider AND model = :model AND account IN (:account, '')
ORDER BY account DESC
LIMIT 1
"""  # noqa: S608 - our own columns

_WRITE = f"""
INSERT INTO limiter_states (provider, model, account, {", ".join(_COLUMNS)})
VALUES (:provider, :model, :account, {", ".join(f":{column}" for column in _COLUMNS)})
ON CONFLICT (provider, model, account) DO UPDATE SET
    {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)}
"""  # noqa: S608 - our own columns

_COUNT_SENDS = """
SELECT count(DISTINCT coalesce(s.call_number, s.number))
FROM sends AS s JOIN generations AS g ON g.id = s.generation_id
WHERE s.sent_at >= unix_now() - :seconds AND s.account = :account
  AND g.provider = :provider AND g.model = :model
"""


def read_limiter_state(
    connection: Connection, scope: LimitScope, seconds: float
) -> tuple[LimiterState | None, int]:
    """Read a scope's state, and count its calls of the last `seconds`."""
    values = {**asdict(scope), "seconds": seconds}
    number: int = connection.execute(_COUNT_SENDS, values).fetchone()[0]
    return _read(connection, scope)[0], number


def update_limiter_state(
    connection: Connection,
    scope: LimitScope,
    change: Callable[[LimiterState | None, float], tuple[LimiterState, Value]],
) -> Value:
    """Change a scope's state while no other process does."""
    # Not synced: a state lost in a power cut is soon relearned, and a sync per request is slow.
    connection.execute(LOCK, {"name": f"limiter of {scope.provider} {scope.model} {scope.account}"})
    state, value = change(*_read(connection, scope))
    connection.execute(_WRITE, asdict(scope) | asdict(state))
    return value


def _read(connection: Connection, scope: LimitScope) -> tuple[LimiterState | None, float]:
    """Return a scope's state, and the time by the database's clock."""
    columns = dict(connection.execute(_READ, asdict(scope)).fetchone())
    now: float = columns.pop("now")
    return (None if columns["updated_at"] is None else LimiterState(**columns)), now
