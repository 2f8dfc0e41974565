"""Turns: what one worker does at a time."""

from stills.jobs.database import Transaction

_TAKE_TURN = """
INSERT INTO turns (name, taken_at) VALUES (:name, :now)
ON CONFLICT (name) DO UPDATE SET taken_at = excluded.taken_at
WHERE turns.taken_at <= excluded.taken_at - :seconds
RETURNING name
"""


def take_turn(transaction: Transaction, name: str, seconds: float) -> bool:
    """Take a turn, unless somebody took it within the last `seconds`."""
    values = {"name": name, "seconds": seconds, "now": transaction.now()}
    return transaction.one(_TAKE_TURN, values) is not None
