"""Implements the port Jobs: our tables say what is to be done, and DBOS runs it durably."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from stills.contract.jobs import Job, JobResult, JobShot, JobSpec
from stills.contract.ports.jobs import ANYONE, RunPart, WorkOptions
from stills.contract.postgres_url import PostgresUrl
from stills.contract.webhooks import Webhook
from stills.jobs.codec import decode_failure, decode_lines, decode_result, decode_shot
from stills.jobs.database import Database, Transaction
from stills.jobs.rows import read_jobs
from stills.jobs.submission import Submission
from stills.jobs.turns import take_turn
from stills.jobs.webhooks import list_webhooks, record, take_due

Value = TypeVar("Value")

_ACTIVE = "('queued', 'running')"
_CANCEL = f"""
UPDATE jobs SET state = 'cancelled', finished_at = :now WHERE id = :id AND state IN {_ACTIVE}
"""  # noqa: S608 - our own text
_LOCK = f"UPDATE jobs SET state = state WHERE id = :id AND state NOT IN {_ACTIVE} RETURNING id"  # noqa: S608
_ACCEPT_UNKNOWN = """
UPDATE ends SET accepted = accepted + 1 WHERE job_id = :id AND kind = 'unknown'
"""
_FORGET = """
UPDATE ends SET kind = NULL, failure = NULL, result = NULL
WHERE job_id = :id AND kind NOT IN ('made', 'cached')
"""
_WAIT_AGAIN = """
UPDATE parts SET
    state = 'waiting', attempt = attempt + 1, starts = 0, failures = 0, trying = NULL, tries = 0,
    not_before = 0
WHERE job_id = :id AND count > (
    SELECT count(*) FROM ends AS e
    WHERE e.job_id = parts.job_id AND e.kind IS NOT NULL
      AND e.position >= parts.first AND e.position < parts.first + parts.count
)
"""
_ACTIVATE = """
UPDATE jobs SET state = 'queued', error = NULL, finished_at = NULL
WHERE id = :id AND EXISTS (SELECT 1 FROM parts WHERE job_id = :id AND state != 'ended')
"""
_PARTS_FROM = """
SELECT first, shots, count FROM parts
WHERE job_id = :id AND first + count > :first AND first < :first + :limit ORDER BY first
"""
_ENDS_FROM = """
SELECT position, result, failure FROM ends
WHERE job_id = :id AND position >= :first AND position < :first + :limit AND kind IS NOT NULL
"""


class DbosJobs:
    """Jobs in a file of SQLite or in a Postgres database; the first use creates the tables."""

    def __init__(self, location: Path | PostgresUrl) -> None:
        self._database = Database(location)

    async def submit(self, spec: JobSpec, shots: Iterable[JobShot] | AsyncIterable[JobShot]) -> Job:
        job_id = await Submission(self._database, spec).run(shots)
        job = await self.status(job_id)
        assert job is not None  # noqa: S101 - it was just stored
        return job

    async def status(self, job_id: str, *, owner: str | None = ANYONE) -> Job | None:
        return await self._read_one("j.id = :id", {"id": job_id}, owner)

    async def find(self, name: str, *, owner: str | None) -> Job | None:
        return await self._read_one("j.name = :name", {"name": name}, owner)

    async def list(
        self, *, owner: str | None = ANYONE, limit: int = 20, before: str | None = None
    ) -> Sequence[Job]:
        condition = "(:before = '' OR j.sequence < (SELECT sequence FROM jobs WHERE id = :before))"
        return await self._read_jobs(condition, {"before": before or ""}, owner, limit=limit)

    async def results(
        self, job_id: str, *, after: int = -1, limit: int = 100
    ) -> Sequence[JobResult]:
        where = {"id": job_id, "first": after + 1, "limit": limit}

        def read(transaction: Transaction) -> Sequence[JobResult]:
            ends = {row["position"]: row for row in transaction.all(_ENDS_FROM, where)}
            found: list[JobResult] = []
            for part in transaction.all(_PARTS_FROM, where):
                lines = enumerate(decode_lines(part["shots"]), start=part["first"])
                wanted = (one for one in lines if after < one[0] <= after + limit)
                found += [_read_result(position, line, ends) for position, line in wanted]
            return found

        return await self._read(read)

    async def cancel(self, job_id: str, *, owner: str | None = ANYONE) -> Job | None:
        if await self.status(job_id, owner=owner) is None:
            return None

        def write(transaction: Transaction) -> None:
            transaction.run(_CANCEL, {"id": job_id, "now": transaction.now()})

        await self._write(write)
        return await self.status(job_id)

    async def retry(self, job_id: str, *, owner: str | None = ANYONE) -> Job | None:
        if await self.status(job_id, owner=owner) is None:
            return None

        def write(transaction: Transaction) -> None:
            if transaction.one(_LOCK, {"id": job_id}) is not None:
                for statement in (_ACCEPT_UNKNOWN, _FORGET, _WAIT_AGAIN, _ACTIVATE):
                    transaction.run(statement, {"id": job_id})

        await self._write(write)
        return await self.status(job_id)

    async def take_webhooks(self, *, provider: str, limit: int) -> Sequence[Webhook]:
        return await self._write(
            lambda transaction: take_due(transaction, provider=provider, limit=limit)
        )

    async def record_webhook(self, webhook: Webhook, *, problem: str | None) -> None:
        await self._write(lambda transaction: record(transaction, webhook, problem))

    async def list_webhooks(self, *, only_failed: bool, limit: int = 100) -> Sequence[Webhook]:
        return await self._read(
            lambda transaction: list_webhooks(transaction, only_failed=only_failed, limit=limit)
        )

    async def work(
        self, run: RunPart, options: WorkOptions, *, stop: asyncio.Event, ready: asyncio.Event
    ) -> None:
        from stills.jobs.worker import Worker  # noqa: PLC0415 - loads DBOS

        await Worker(self._database, run, options, stop).work(ready)

    async def take_turn(self, name: str, *, seconds: float) -> bool:
        return await self._write(lambda transaction: take_turn(transaction, name, seconds))

    async def close(self) -> None:
        await asyncio.to_thread(self._database.close)

    async def _read_one(
        self, condition: str, values: Mapping[str, Any], owner: str | None
    ) -> Job | None:
        jobs = await self._read_jobs(condition, values, owner, limit=1)
        return jobs[0] if jobs else None

    async def _read_jobs(
        self,
        condition: str,
        values: Mapping[str, Any],
        owner: str | None,
        *,
        limit: int,
    ) -> Sequence[Job]:
        if owner is None:
            condition += " AND j.owner IS NULL"
        elif owner != ANYONE:
            condition += " AND j.owner = :owner"
            values = {**values, "owner": owner}
        return await self._read(
            lambda transaction: read_jobs(transaction, condition, values, limit=limit)
        )

    async def _read(self, work: Callable[[Transaction], Value]) -> Value:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Transaction], Value]) -> Value:
        return await asyncio.to_thread(self._database.write, work)


def _read_result(
    position: int, line: Mapping[str, Any], ends: Mapping[int, RowMapping]
) -> JobResult:
    end = ends.get(position)
    result, failure = (None, None) if end is None else (end["result"], end["failure"])
    return JobResult(
        position,
        decode_shot(line),
        None if result is None else decode_result(result),
        None if failure is None else decode_failure(failure),
    )
