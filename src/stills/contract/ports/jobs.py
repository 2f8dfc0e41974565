"""Durable jobs: a queue that any number of processes submit to and work on."""

import asyncio
from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stills.contract.jobs import Job, JobPart, JobResult, JobShot, JobSpec, OnShotsEnd, OnTry
from stills.contract.outcome import Failure
from stills.contract.webhooks import Webhook

SILENT_SECONDS = 60.0
"""For how long a worker may be silent before it is taken for dead."""

ANYONE = ""
"""As `owner`: the jobs of every owner. A key of our own service always has a name."""


class RunPart(Protocol):
    """A function that generates the shots of a part, and records how each ended.

    After `stop` is set, only calls already sent are finished; the other shots stay unfinished, and
    another worker generates them later. So do shots that failed unpaid for a reason that passes,
    unless it is the last attempt. Returns the error that every further shot of the job would fail
    with, if there is one.
    """

    async def __call__(
        self, part: JobPart, *, on_end: OnShotsEnd, on_try: OnTry, stop: asyncio.Event
    ) -> Failure | None:
        """Generate the shots."""
        ...


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """How a worker works.

    It takes jobs of `provider`. A worker that was silent for `silent_seconds` is taken for dead:
    others continue with its shots.
    """

    provider: str
    silent_seconds: float = SILENT_SECONDS


class Jobs(Protocol):
    """Stores jobs and gives their shots to workers. Raises JobsError when it fails.

    `owner` limits a method to the jobs of one owner: another's job does not exist for it. None are
    the operator's own jobs, and ANYONE those of everybody.
    """

    async def submit(self, spec: JobSpec, shots: Iterable[JobShot] | AsyncIterable[JobShot]) -> Job:
        """Store a job, or return the one of this name if it has the same shots.

        `shots` are read once, as they are stored; any number takes constant memory. Nothing is
        generated here. A caller that gives up before this returns has submitted nothing or, at the
        very end, the whole job.

        Raises:
            Conflict: the owner has another job of this name.
            InvalidRequest: there is no shot, an id is not unique among the needed shots, or a shot
                needs one that does not come before it.
        """
        ...

    async def status(self, job_id: str, *, owner: str | None = ANYONE) -> Job | None:
        """Return a job, or None if there is none with this id."""
        ...

    async def find(self, name: str, *, owner: str | None) -> Job | None:
        """Return an owner's job by its name."""
        ...

    async def list(
        self, *, owner: str | None = ANYONE, limit: int = 20, before: str | None = None
    ) -> Sequence[Job]:
        """List jobs, newest first; `before` is the id of the last one of the page before."""
        ...

    async def results(
        self, job_id: str, *, after: int = -1, limit: int = 100
    ) -> Sequence[JobResult]:
        """List shots by position, also those that have not ended.

        `after` is the position of the last one of the page before.
        """
        ...

    async def cancel(self, job_id: str, *, owner: str | None = ANYONE) -> Job | None:
        """Start no more shots of a job; calls already sent are finished. None if there is none."""
        ...

    async def retry(self, job_id: str, *, owner: str | None = ANYONE) -> Job | None:
        """Generate the shots without an image again, if the job has ended.

        A shot whose call had an unknown outcome may then be billed again.
        """
        ...

    async def take_webhooks(self, *, provider: str, limit: int) -> Sequence[Webhook]:
        """Take webhooks of ended jobs that are due, so that no other worker sends them now.

        One that is not recorded within a minute is due again.
        """
        ...

    async def record_webhook(self, webhook: Webhook, *, problem: str | None) -> None:
        """Record how sending one went; with a problem, it is due again later, for 24 hours."""
        ...

    async def list_webhooks(self, *, only_failed: bool, limit: int = 100) -> Sequence[Webhook]:
        """List webhooks, newest first; failed ones were tried, but not delivered."""
        ...

    async def work(
        self, run: RunPart, options: WorkOptions, *, stop: asyncio.Event, ready: asyncio.Event
    ) -> None:
        """Work until `stop` is set; then finish what was sent and return.

        `ready` is set once work can be taken. Only one call at a time in a process. Also takes
        over the shots of workers that have died.
        """
        ...

    async def take_turn(self, name: str, *, seconds: float) -> bool:
        """Return whether it is this worker's turn at something that one worker does at a time.

        It is, if no other worker took this turn within the last `seconds`.
        """
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...
