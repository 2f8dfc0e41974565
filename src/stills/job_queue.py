"""`stills.jobs`: durable jobs, which workers generate."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stills.contract.access import BudgetOwner
from stills.contract.errors import JobsError, NotFound
from stills.contract.jobs import Job, JobResult, JobShot, JobSpec
from stills.contract.money import check_max_cost
from stills.contract.ports.jobs import ANYONE, Jobs, RunPart, WorkOptions
from stills.contract.ports.ledger import Ledger
from stills.contract.webhooks import Webhook
from stills.loop_guard import LoopGuard

_NO_JOB_ACTION = "Use the id of a job that `stills jobs list` shows."


class JobQueue:
    """Durable jobs, with what their calls cost. Get it as `stills.jobs`.

    `owner` limits a method to the jobs of one API key, by its name: those of others do not exist
    for it. None means the operator's own jobs; ANYONE, the default, means everybody's.

    Raises:
        JobsError: the database of jobs can't be used, or `stills[jobs]` is not installed; from
            every method.
    """

    def __init__(
        self, open_jobs: Callable[[], Jobs] | None, ledger: Ledger, provider: str, guard: LoopGuard
    ) -> None:
        self._open_jobs = open_jobs
        self._ledger = ledger
        self._provider = provider
        self._guard = guard
        self._opened: Jobs | None = None

    async def submit(
        self,
        shots: Iterable[JobShot] | AsyncIterable[JobShot],
        *,
        model: str,
        owner: BudgetOwner | None = None,
        name: str | None = None,
        max_cost_usd: float | None = None,
        about: Mapping[str, Any] | None = None,
        notify_url: str | None = None,
    ) -> Job:
        """Store a job for the workers, and return at once; nothing is generated here.

        `shots` are read once and stored as they come, so any number takes constant memory. The
        `owner` pays for it, and sees it. The same shots and options with the same `name` are one
        job: submitting them again returns it. `max_cost_usd` caps all calls of the job together.
        `about` is JSON that comes back with the job; `notify_url` is where to report its end.

        Raises:
            Conflict: the owner has another job of this name.
            InvalidRequest: there is no shot, or one can't be used.
        """
        check_max_cost(max_cost_usd)
        spec = JobSpec(
            model=model,
            provider=self._provider,
            owner=owner,
            name=name,
            cap_usd=max_cost_usd,
            about=about or {},
            notify_url=notify_url,
        )
        return await self._with_spend(await (await self._jobs()).submit(spec, shots))

    async def get(self, job_id: str, *, owner: str | None = ANYONE) -> Job:
        """Return a job as it is now.

        Raises:
            NotFound: there is none with this id.
        """
        return await self._found(await (await self._jobs()).status(job_id, owner=owner), job_id)

    async def find(self, name: str, *, owner: str | None) -> Job | None:
        """Return an owner's job by its name."""
        job = await (await self._jobs()).find(name, owner=owner)
        return None if job is None else await self._with_spend(job)

    async def list(
        self, *, owner: str | None = ANYONE, limit: int = 20, before: str | None = None
    ) -> Sequence[Job]:
        """List jobs, newest first; `before` is the id of the last one of the page before."""
        jobs = await (await self._jobs()).list(owner=owner, limit=limit, before=before)
        return [await self._with_spend(job) for job in jobs]

    async def results(
        self, job_id: str, *, after: int = -1, limit: int = 100
    ) -> Sequence[JobResult]:
        """List the shots of a job by position, also those that have not ended.

        `after` is the position of the last one of the page before. Check with `get` first who may
        see the job.
        """
        return await (await self._jobs()).results(job_id, after=after, limit=limit)

    async def cancel(self, job_id: str, *, owner: str | None = ANYONE) -> Job:
        """Start no more shots of a job. Calls already sent are finished, and their images stored.

        Raises:
            NotFound: there is no such job.
        """
        return await self._found(await (await self._jobs()).cancel(job_id, owner=owner), job_id)

    async def retry(self, job_id: str, *, owner: str | None = ANYONE) -> Job:
        """Generate the shots that have no image again, if the job has ended.

        A shot whose call had an unknown outcome may then be billed twice.

        Raises:
            NotFound: there is no such job.
        """
        return await self._found(await (await self._jobs()).retry(job_id, owner=owner), job_id)

    async def take_webhooks(self, *, limit: int) -> Sequence[Webhook]:
        """Take webhooks of ended jobs that are due, so that no other worker sends them now."""
        jobs = await self._jobs()
        return await jobs.take_webhooks(provider=self._provider, limit=limit)

    async def record_webhook(self, webhook: Webhook, *, problem: str | None) -> None:
        """Record how sending a webhook went; with a problem, it is due again later."""
        await (await self._jobs()).record_webhook(webhook, problem=problem)

    async def list_webhooks(
        self, *, only_failed: bool = False, limit: int = 100
    ) -> Sequence[Webhook]:
        """List webhooks, newest first; failed ones were tried, but not delivered."""
        jobs = await self._jobs()
        return await jobs.list_webhooks(only_failed=only_failed, limit=limit)

    async def work(
        self, run: RunPart, options: WorkOptions, *, stop: asyncio.Event, ready: asyncio.Event
    ) -> None:
        """Generate the shots of jobs with `run`, until `stop` is set; see the port Jobs."""
        await (await self._jobs()).work(run, options, stop=stop, ready=ready)

    async def take_turn(self, name: str, *, seconds: float) -> bool:
        """Return whether it is this worker's turn at something that one worker does at a time."""
        return await (await self._jobs()).take_turn(name, seconds=seconds)

    async def close(self) -> None:
        """Disconnect."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def _jobs(self) -> Jobs:
        self._guard.check()
        if self._open_jobs is None:
            raise JobsError("this Stills has no database of jobs", action="Use Stills.from_env().")
        if self._opened is None:
            # The import of the database's library takes a moment.
            opened = await asyncio.to_thread(self._open_jobs)
            self._opened = self._opened or opened
        return self._opened

    async def _found(self, job: Job | None, job_id: str) -> Job:
        if job is None:
            raise NotFound(f"there is no job {job_id[:60]!r}", action=_NO_JOB_ACTION)
        return await self._with_spend(job)

    async def _with_spend(self, job: Job) -> Job:
        return replace(job, spend=await self._ledger.job_spend(job.id))
