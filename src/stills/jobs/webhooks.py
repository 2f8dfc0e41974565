"""Webhooks of ended jobs: which are due, and how their delivery went."""

from collections.abc import Sequence

from sqlalchemy import RowMapping

from stills.contract.webhooks import Webhook
from stills.jobs.database import Transaction

LEASE_SECONDS = 60.0
"""How long a worker has to deliver a webhook before another one tries."""

KEPT_SECONDS = 7 * 24 * 3600.0
_GIVE_UP_SECONDS = 24 * 3600.0
_FIRST_PAUSE_SECONDS = 5.0
_LAST_PAUSE_SECONDS = 4 * 3600.0

_ADD_ENDED = """
INSERT INTO webhooks (id, job_id, ended_at, attempts, next_at)
SELECT id || '-' || CAST(finished_at * 1000 AS BIGINT), id, finished_at, 0, finished_at
FROM jobs
WHERE notify_url IS NOT NULL AND finished_at > :since AND provider = :provider
ON CONFLICT (id) DO NOTHING
"""
_TAKE_DUE = """
UPDATE webhooks SET attempts = attempts + 1, next_at = :later
WHERE id IN (
    SELECT w.id FROM webhooks AS w JOIN jobs AS j ON j.id = w.job_id
    WHERE w.delivered_at IS NULL AND w.gave_up_at IS NULL AND w.next_at <= :now
      AND j.provider = :provider
    ORDER BY w.next_at LIMIT :limit
)
RETURNING *
"""
_RECORD = """
UPDATE webhooks
SET delivered_at = :delivered_at, gave_up_at = :gave_up_at, next_at = :next_at, problem = :problem
WHERE id = :id
"""
_LIST = """
SELECT * FROM webhooks AS w
WHERE :all = 1 OR w.gave_up_at IS NOT NULL OR (w.delivered_at IS NULL AND w.attempts > 0)
ORDER BY ended_at DESC, id LIMIT :limit
"""


def take_due(transaction: Transaction, *, provider: str, limit: int) -> Sequence[Webhook]:
    """Take webhooks that are due, so that no other worker sends them now."""
    transaction.lock("webhooks")
    now = transaction.now()
    since = now - KEPT_SECONDS
    transaction.run(_ADD_ENDED, {"since": since, "provider": provider})
    values = {"now": now, "later": now + LEASE_SECONDS, "provider": provider, "limit": limit}
    return [_read(row) for row in transaction.all(_TAKE_DUE, values)]


def record(transaction: Transaction, webhook: Webhook, problem: str | None) -> None:
    """Record how an attempt went: delivered, to be repeated ever later, or given up after a day."""
    now = transaction.now()
    pause = min(_FIRST_PAUSE_SECONDS * 4 ** (webhook.attempts - 1), _LAST_PAUSE_SECONDS)
    gives_up = problem is not None and now + pause > webhook.ended_at + _GIVE_UP_SECONDS
    transaction.run(
        _RECORD,
        {
            "id": webhook.id,
            "delivered_at": now if problem is None else None,
            "gave_up_at": now if gives_up else None,
            "next_at": now + pause,
            "problem": problem,
        },
    )


def list_webhooks(transaction: Transaction, *, only_failed: bool, limit: int) -> Sequence[Webhook]:
    """List webhooks, newest first; the failed ones are those whose last attempt failed."""
    values = {"all": 0 if only_failed else 1, "limit": limit}
    return [_read(row) for row in transaction.all(_LIST, values)]


def _read(row: RowMapping) -> Webhook:
    return Webhook(**row)
