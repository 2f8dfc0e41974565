"""Read jobs and the ends of their shots from the database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from stills.contract.jobs import Job, JobCounts, JobState
from stills.jobs.codec import decode_failure, decode_spec
from stills.jobs.database import Transaction

# The kinds of ends. A shot without one has not ended.
MADE, CACHED, FAILED, REFUSED, UNPAID, UNKNOWN = (
    "made",
    "cached",
    "failed",
    "refused",
    "unpaid",
    "unknown",
)

_JOBS = """
SELECT j.*, (
    SELECT count(*) FROM jobs AS earlier
    WHERE earlier.sequence < j.sequence AND earlier.state IN ('queued', 'running')
      AND j.state IN ('queued', 'running') AND earlier.provider = j.provider
) AS ahead
FROM jobs AS j WHERE j.sequence IS NOT NULL AND {condition}
ORDER BY j.sequence DESC LIMIT :limit
"""
_COUNTS = """
SELECT job_id, kind, count(*) AS number FROM ends
WHERE job_id IN :ids AND kind IS NOT NULL
GROUP BY job_id, kind
"""


def read_jobs(
    transaction: Transaction,
    condition: str,
    values: Mapping[str, Any],
    *,
    limit: int = 1,
) -> Sequence[Job]:
    """Read the jobs that a condition of ours is true of, newest first."""
    query = _JOBS.format(condition=condition)
    rows = transaction.all(query, {**values, "limit": limit})
    if not rows:
        return ()
    numbers: dict[str, dict[str, int]] = {row["id"]: {} for row in rows}
    for row in transaction.all(_COUNTS, {"ids": list(numbers)}):
        numbers[row["job_id"]][row["kind"]] = row["number"]
    return [_read_job(row, numbers[row["id"]]) for row in rows]


def _read_job(row: RowMapping, numbers: Mapping[str, int]) -> Job:
    cached = numbers.get(CACHED, 0)
    without = {kind: numbers.get(kind, 0) for kind in (FAILED, REFUSED, UNPAID, UNKNOWN)}
    return Job(
        id=row["id"],
        spec=decode_spec(row["spec"]),
        state=JobState(row["state"]),
        counts=JobCounts(
            total=row["total"],
            done=numbers.get(MADE, 0) + cached,
            cached=cached,
            failed=sum(without.values()),
            refused=without[REFUSED],
            unpaid=without[UNPAID],
            unknown=without[UNKNOWN],
        ),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        error=None if row["error"] is None else decode_failure(row["error"]),
        ahead=row["ahead"],
    )
