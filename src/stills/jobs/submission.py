"""Submit a job: its shots are stored in parts, and it becomes visible at the end."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from stills.contract.errors import Conflict, InvalidRequest
from stills.contract.jobs import JobShot, JobSpec
from stills.jobs.codec import encode_shot, encode_spec
from stills.jobs.database import Database, Transaction

PART_SHOTS = 64
"""The most shots of a part."""

_FIRST_PARTS_SHOTS = 8  # so that several workers share a short list, too
_PARTS_OF_EQUAL_SIZE = 16
_WRITTEN_TOGETHER = 16  # parts

_BEGIN = """
INSERT INTO jobs (id, spec, provider, notify_url, state, created_at)
VALUES (:id, :spec, :provider, :notify_url, 'queued', :now)
"""
_ADD_PART = """
INSERT INTO parts (job_id, number, first, shots, count)
VALUES (:job_id, :number, :first, :shots, :count)
"""
_ADD_NEED = "INSERT INTO part_needs (job_id, number, needs) VALUES (:job_id, :number, :needs)"
_ADD_FILE = """
INSERT INTO files (job_id, digest, bytes) VALUES (:job_id, :digest, :bytes)
ON CONFLICT (job_id, digest) DO NOTHING
"""
_SAME_NAME = """
SELECT id, digest FROM jobs
WHERE sequence IS NOT NULL AND coalesce(owner, '') = :owner AND name = :name
"""
_FINISH = """
UPDATE jobs SET
    sequence = (SELECT coalesce(max(sequence), 0) + 1 FROM jobs),
    owner = :owner, name = :name, digest = :digest, total = :total, created_at = :now
WHERE id = :id
"""
_DISCARD = "DELETE FROM jobs WHERE id = :id AND sequence IS NULL RETURNING id"
_TABLES = ("files", "part_needs", "parts", "ends")


@dataclass(slots=True)
class _Part:
    number: int
    first: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    needs: set[int] = field(default_factory=set)


class Submission:
    """Stores the shots of one job as they come, in constant memory."""

    def __init__(self, database: Database, spec: JobSpec) -> None:
        self._database = database
        self._spec = spec
        self._id = f"job-{secrets.token_hex(8)}"
        self._digest = sha256(f"{spec.provider} {spec.model} {spec.cap_usd}".encode())
        self._parts: list[_Part] = []
        self._files: dict[str, bytes] = {}
        self._needed: dict[str, int] = {}
        self._begun = False
        self._part = _Part(0, 0)
        self._total = 0

    async def run(self, shots: Iterable[JobShot] | AsyncIterable[JobShot]) -> str:
        """Store all shots, and return the id of the job: an earlier one, if it is the same.

        Raises:
            Conflict: the owner has another job of this name.
            InvalidRequest: a shot can't be used, or there is none.
            JobsError: the database can't be used.
        """
        try:
            async for shot in _each(shots):
                self._add(shot)
                if len(self._parts) >= _WRITTEN_TOGETHER:
                    await self._write()
            return await self._end()
        except BaseException:
            if self._begun:
                await asyncio.to_thread(self._database.write, self._discard)
            raise

    async def _end(self) -> str:
        if not self._total:
            raise InvalidRequest(
                "the job has no shot", field="shots", action="Give at least one shot."
            )
        if self._part.lines:
            self._parts.append(self._part)
        await self._write()
        return await asyncio.to_thread(self._database.write, self._finish)

    def _add(self, shot: JobShot) -> None:
        line = encode_shot(shot, self._files)
        counted = {name: value for name, value in line.items() if name != "about"}
        self._digest.update(json.dumps(counted, sort_keys=True).encode() + b"\n")
        part = self._part
        for name in shot.needs:
            if name not in self._needed:
                raise InvalidRequest(
                    f"shot {shot.id[:40]!r} needs {name[:40]!r}, which does not come before it",
                    field="references",
                    action="Give the shots that others need first.",
                )
            if self._needed[name] != part.number:
                part.needs.add(self._needed[name])
        if shot.is_needed:
            if shot.id in self._needed:
                raise InvalidRequest(
                    f"two shots have the id {shot.id[:40]!r}",
                    field="id",
                    action="Give every shot another id.",
                )
            self._needed[shot.id] = part.number
        part.lines.append(line)
        self._total += 1
        if len(part.lines) >= _part_size(part.first):
            self._parts.append(part)
            self._part = _Part(part.number + 1, self._total)

    async def _write(self) -> None:
        parts, self._parts = self._parts, []
        files, self._files = self._files, {}

        def write(transaction: Transaction) -> None:
            self._write_in(transaction, parts, files)

        await asyncio.to_thread(self._database.write, write)
        self._begun = True

    def _write_in(
        self, transaction: Transaction, parts: Sequence[_Part], files: dict[str, bytes]
    ) -> None:
        job_id = self._id
        if not self._begun:
            spec = self._spec
            transaction.run(
                _BEGIN,
                {
                    "id": job_id,
                    "spec": encode_spec(spec),
                    "provider": spec.provider,
                    "notify_url": spec.notify_url,
                    "now": transaction.now(),
                },
            )
        transaction.run_many(
            _ADD_FILE,
            [{"job_id": job_id, "digest": name, "bytes": data} for name, data in files.items()],
        )
        transaction.run_many(
            _ADD_PART,
            [
                {
                    "job_id": job_id,
                    "number": part.number,
                    "first": part.first,
                    "shots": json.dumps(part.lines),
                    "count": len(part.lines),
                }
                for part in parts
            ],
        )
        transaction.run_many(
            _ADD_NEED,
            [
                {"job_id": job_id, "number": part.number, "needs": needed}
                for part in parts
                for needed in sorted(part.needs)
            ],
        )

    def _finish(self, transaction: Transaction) -> str:
        spec, digest = self._spec, self._digest.hexdigest()
        owner = spec.owner.name if spec.owner else None
        transaction.lock("submit")
        if spec.name is not None:
            same = transaction.one(_SAME_NAME, {"owner": owner or "", "name": spec.name})
            if same is not None and same["digest"] != digest:
                raise Conflict(
                    f"there is a job named {spec.name[:60]!r} with other shots or options",
                    action="Use another name; nothing was submitted.",
                )
            if same is not None:
                discard(transaction, self._id)
                return str(same["id"])
        transaction.run(
            _FINISH,
            {
                "id": self._id,
                "owner": owner,
                "name": spec.name,
                "digest": digest,
                "total": self._total,
                "now": transaction.now(),
            },
        )
        return self._id

    def _discard(self, transaction: Transaction) -> None:
        discard(transaction, self._id)


def discard(transaction: Transaction, job_id: str) -> None:
    """Delete a job that was not submitted completely; one that was stays as it is.

    A submission that is cancelled as it ends does not know which of the two it is.
    """
    if transaction.one(_DISCARD, {"id": job_id}) is None:
        return
    for table in _TABLES:
        transaction.run(f"DELETE FROM {table} WHERE job_id = :id", {"id": job_id})  # noqa: S608 - our own names


def _part_size(first: int) -> int:
    """Return the size of the part that begins with the shot `first`: parts grow with the list."""
    return min(PART_SHOTS, max(_FIRST_PARTS_SHOTS, first // _PARTS_OF_EQUAL_SIZE))


async def _each(shots: Iterable[JobShot] | AsyncIterable[JobShot]) -> AsyncIterator[JobShot]:
    if isinstance(shots, AsyncIterable):
        async for shot in shots:
            yield shot
        return
    for number, shot in enumerate(shots):
        if not number % PART_SHOTS:
            await asyncio.sleep(0)
        yield shot
