"""The parts of jobs: which one is next, its start, the ends of its shots, and its own end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stills.contract.errors import Billing, BudgetExceeded, ContentRefused
from stills.contract.jobs import JobPart, QueuedShot, ShotEnd
from stills.contract.outcome import Failure
from stills.jobs.codec import decode_lines, decode_shot, encode_failure, encode_result, files_of
from stills.jobs.database import Transaction
from stills.jobs.rows import CACHED, FAILED, MADE, REFUSED, UNKNOWN, UNPAID, read_jobs

_FAILURES_MAX = 8
_FIRST_PAUSE_SECONDS = 5.0
_PAUSE_MAX_SECONDS = 300.0
_STARTS_TOGETHER = 3  # then its shots are tried one at a time
_TRIES_MAX = 2

_ACTIVE = "state IN ('queued', 'running')"

# Waiting parts of active jobs whose needed parts have ended, a limited number of each job at once.
_NEXT = """
SELECT p.job_id, p.number, p.attempt, j.total
FROM jobs AS j JOIN parts AS p ON p.job_id = j.id
WHERE j.sequence IS NOT NULL AND j.state IN ('queued', 'running') AND j.provider = :provider
  AND p.state = 'waiting' AND p.not_before <= :now
  AND p.number < (
      SELECT min(w.number) FROM parts AS w WHERE w.job_id = j.id AND w.state = 'waiting'
  ) + :window
  AND (
      SELECT count(*) FROM parts AS q WHERE q.job_id = j.id AND q.state IN ('queued', 'running')
  ) < :window
  AND NOT EXISTS (
      SELECT 1 FROM part_needs AS n JOIN parts AS d ON d.job_id = n.job_id AND d.number = n.needs
      WHERE n.job_id = p.job_id AND n.number = p.number AND d.state != 'ended'
  )
ORDER BY j.sequence, p.number
LIMIT :limit
"""
_UNDER_WAY = f"""
SELECT p.job_id, p.number, p.attempt, j.total
FROM jobs AS j JOIN parts AS p ON p.job_id = j.id
WHERE j.{_ACTIVE} AND j.sequence IS NOT NULL AND p.state IN ('queued', 'running')
"""  # noqa: S608 - our own text
_OF = "WHERE job_id = :job_id AND number = :number"
_SAME = f"{_OF} AND attempt = :attempt"
_QUEUE = f"UPDATE parts SET state = 'queued' {_SAME} AND state = 'waiting'"  # noqa: S608
_START_JOB = f"""
UPDATE jobs SET state = 'running', started_at = coalesce(started_at, :now)
WHERE id = :job_id AND {_ACTIVE}
RETURNING id
"""  # noqa: S608
_START = f"""
UPDATE parts SET state = 'running', starts = starts + 1 {_SAME} AND state != 'ended'
RETURNING *
"""  # noqa: S608
_ENDS = """
SELECT position, kind, accepted FROM ends
WHERE job_id = :job_id AND position >= :first AND position < :first + :count
"""
_ADD_END = """
INSERT INTO ends (job_id, position, shot_id, kind, result, failure, image_id)
VALUES (:job_id, :position, :shot_id, :kind, :result, :failure, :image_id)
ON CONFLICT (job_id, position) DO UPDATE SET
    kind = excluded.kind, result = excluded.result, failure = excluded.failure,
    image_id = excluded.image_id
WHERE ends.kind IS NULL
"""
_IMAGES = """
SELECT shot_id, image_id FROM ends
WHERE job_id = :job_id AND shot_id IN :ids AND image_id IS NOT NULL
"""
_FILES = "SELECT digest, bytes FROM files WHERE job_id = :job_id AND digest IN :digests"
_TRY = f"""
UPDATE parts SET
    tries = CASE WHEN trying = :position THEN tries + 1 ELSE 1 END, trying = :position
{_OF}
"""  # noqa: S608
_END = f"UPDATE parts SET state = 'ended', trying = NULL {_SAME} AND state != 'ended'"  # noqa: S608
_RELEASE = f"""
UPDATE parts SET
    state = 'waiting', attempt = attempt + 1, trying = NULL, tries = 0,
    starts = starts - :unstarted, failures = failures + :failures, not_before = :not_before
{_SAME} AND state != 'ended'
"""  # noqa: S608
_LOCK_JOB = "UPDATE jobs SET state = state WHERE id = :job_id"
_FAIL_JOB = f"""
UPDATE jobs SET state = 'failed', error = :error, finished_at = :now
WHERE id = :job_id AND {_ACTIVE}
"""  # noqa: S608
_FINISH_JOB = f"""
UPDATE jobs SET state = 'done', finished_at = :now
WHERE id = :job_id AND {_ACTIVE} AND NOT EXISTS (
    SELECT 1 FROM parts WHERE job_id = :job_id AND state != 'ended'
)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class PartId:
    """One attempt at one part of a job. `is_single` if the job has a single shot."""

    job_id: str
    number: int
    attempt: int
    is_single: bool = False

    @property
    def workflow_id(self) -> str:
        """The id of the workflow that makes this attempt."""
        return f"{self.job_id}-{self.number}-{self.attempt}"

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of statements."""
        return {"job_id": self.job_id, "number": self.number, "attempt": self.attempt}


def find_next(
    transaction: Transaction, provider: str, *, window: int, limit: int
) -> Sequence[PartId]:
    """Find the parts to queue next, so that each job has at most about `window` under way."""
    values = {"provider": provider, "now": transaction.now(), "window": window, "limit": limit}
    return [_part_id(row) for row in transaction.all(_NEXT, values)]


def find_under_way(transaction: Transaction) -> Sequence[PartId]:
    """Find the parts of active jobs that a worker has or will get from the queue."""
    return [_part_id(row) for row in transaction.all(_UNDER_WAY)]


def mark_queued(transaction: Transaction, parts: Iterable[PartId]) -> None:
    """Note that workflows were made for parts."""
    transaction.run_many(_QUEUE, [one.values for one in parts])


def start(transaction: Transaction, one: PartId) -> JobPart | None:
    """Start an attempt; None if there is nothing to do, for example because of a cancellation."""
    now = transaction.now()
    if transaction.one(_START_JOB, {"job_id": one.job_id, "now": now}) is None:
        return None
    row = transaction.one(_START, one.values)
    if row is None:
        return None
    where = {"job_id": one.job_id, "first": row["first"], "count": row["count"]}
    ends = {end["position"]: end for end in transaction.all(_ENDS, where)}
    lines = {
        position: line
        for position, line in enumerate(decode_lines(row["shots"]), start=row["first"])
        if position not in ends or ends[position]["kind"] is None
    }
    if row["trying"] in lines and row["tries"] >= _TRIES_MAX:
        poison = lines.pop(row["trying"])
        failure = _poisoned(row["tries"])
        _add_ends(transaction, one, [(poison["id"], ShotEnd(row["trying"], failure=failure))])
    read_file = _read_files(transaction, one.job_id, lines.values())
    shots = tuple(
        QueuedShot(
            position,
            decode_shot(line, read_file),
            ends[position]["accepted"] if position in ends else 0,
        )
        for position, line in lines.items()
    )
    needed = sorted({name for queued in shots for name in queued.shot.needs})
    found = transaction.all(_IMAGES, {"job_id": one.job_id, "ids": needed}) if needed else ()
    (job,) = read_jobs(transaction, "j.id = :id", {"id": one.job_id})
    return JobPart(
        job=job,
        number=one.number,
        shots=shots,
        images={each["shot_id"]: each["image_id"] for each in found},
        is_last_attempt=row["failures"] >= _FAILURES_MAX,
        one_at_a_time=row["starts"] > _STARTS_TOGETHER,
    )


def add_ends(transaction: Transaction, part: JobPart, ends: Sequence[ShotEnd]) -> None:
    """Record how shots of a part ended; those that have ended before stay as they are."""
    ids = {queued.position: queued.shot.id for queued in part.shots}
    one = PartId(part.job.id, part.number, 0)
    _add_ends(transaction, one, [(ids[end.position], end) for end in ends])


def note_try(transaction: Transaction, one: PartId, position: int) -> None:
    """Note that a shot is tried alone, in case that ends the worker."""
    transaction.run(_TRY, {"job_id": one.job_id, "number": one.number, "position": position})


def end(transaction: Transaction, one: PartId, *, error: Failure | None, is_stopping: bool) -> None:
    """End an attempt. If shots are left, another attempt makes them: later, unless stopping."""
    now = transaction.now()
    transaction.run(_LOCK_JOB, {"job_id": one.job_id})
    row = transaction.one(f"SELECT * FROM parts {_SAME}", one.values)  # noqa: S608
    if row is None:
        return
    where = {"job_id": one.job_id, "first": row["first"], "count": row["count"]}
    ended = sum(each["kind"] is not None for each in transaction.all(_ENDS, where))
    if ended == row["count"]:
        transaction.run(_END, one.values)
        transaction.run(_FINISH_JOB, {"job_id": one.job_id, "now": now})
        return
    is_failure = error is None and not is_stopping
    pause = min(_FIRST_PAUSE_SECONDS * 2 ** row["failures"], _PAUSE_MAX_SECONDS)
    release(
        transaction,
        one,
        unstarted=not is_failure,
        is_failure=is_failure,
        not_before=now + pause if is_failure else 0.0,
    )
    if error is not None:
        failed = {"job_id": one.job_id, "error": encode_failure(error), "now": now}
        transaction.run(_FAIL_JOB, failed)


def release(
    transaction: Transaction,
    one: PartId,
    *,
    unstarted: bool = False,
    is_failure: bool = False,
    not_before: float = 0.0,
) -> None:
    """Let another attempt make a part."""
    transaction.run(
        _RELEASE,
        {
            **one.values,
            "unstarted": int(unstarted),
            "failures": int(is_failure),
            "not_before": not_before,
        },
    )


def _add_ends(transaction: Transaction, one: PartId, ends: Iterable[tuple[str, ShotEnd]]) -> None:
    transaction.run_many(
        _ADD_END,
        [
            {
                "job_id": one.job_id,
                "position": end.position,
                "shot_id": shot_id,
                "kind": _kind(end),
                "result": None if end.result is None else encode_result(end.result),
                "failure": None if end.failure is None else encode_failure(end.failure),
                "image_id": None if end.result is None else end.result.id,
            }
            for shot_id, end in ends
        ],
    )


def _kind(end: ShotEnd) -> str:
    if end.failure is None:
        return CACHED if end.result is not None and end.result.cached else MADE
    if end.is_unknown:
        return UNKNOWN
    known = {ContentRefused.code: REFUSED, BudgetExceeded.code: UNPAID}
    return known.get(end.failure.code, FAILED)


def _poisoned(tries: int) -> Failure:
    return Failure(
        code="poison",
        message=f"it was tried alone {tries} times, and each time its worker died",
        action="Check the shot's reference images, and report this. The other shots are not "
        "affected.",
        retryable=False,
        billing=Billing.NONE,
        request_id=None,
    )


def _read_files(transaction: Transaction, job_id: str, lines: Iterable[dict[str, Any]]) -> Any:  # noqa: ANN401
    digests = sorted({digest for line in lines for digest in files_of(line)})
    if not digests:
        return {}.__getitem__
    rows = transaction.all(_FILES, {"job_id": job_id, "digests": digests})
    return {row["digest"]: bytes(row["bytes"]) for row in rows}.__getitem__


def _part_id(row: Any) -> PartId:  # noqa: ANN401 - a row
    return PartId(row["job_id"], row["number"], row["attempt"], is_single=row["total"] == 1)
