"""Durable jobs for HTTP requests, each for the jobs of its own API key."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stills.contract.errors import InvalidRequest, NotFound
from stills.contract.jobs import Job, JobShot
from stills.contract.request import ImageRequest
from stills.http.access_log import get_log_entry
from stills.http.auth import get_budget_owner
from stills.http.connection import STOPPING
from stills.http.errors import problem
from stills.http.event_stream import COMMENT, Emit, write_event, write_refusal
from stills.http.generation import HttpGeneration
from stills.http.idempotency import read_key
from stills.http.model_names import resolve_model
from stills.service.job_records import job_page, job_record
from stills.service.job_request import JobRequest, request_shots

_POLL_SECONDS = 1.0
_PREFER = "prefer"
_ASYNC = "respond-async"


class HttpJobs:
    """Submits and shows the jobs of HTTP requests; one for each worker."""

    def __init__(self, generation: HttpGeneration) -> None:
        self._generation = generation
        self._stills = generation.stills
        self._settings = generation.settings

    async def submit(self, request: Request, wanted: JobRequest) -> Response:
        """Store a job and answer 202, with its address in Location.

        The Idempotency-Key is its name, unless it has one.

        Raises:
            StillsError: see stills.contract.errors.
        """
        model = resolve_model(
            wanted.model,
            self._settings.model,
            self._settings.model_aliases,
            self._stills.models,
            references_field=wanted.references_field,
        )
        return await self._store(
            request,
            wanted.shots,
            model=model,
            name=wanted.name,
            max_cost_usd=wanted.max_cost_usd,
            notify_url=wanted.webhook_url,
        )

    async def _store(
        self,
        request: Request,
        shots: Sequence[JobShot],
        *,
        model: str,
        name: str | None = None,
        max_cost_usd: float | None = None,
        notify_url: str | None = None,
    ) -> Response:
        owner = get_budget_owner(request)
        if notify_url is not None:
            self._settings.webhooks.check_url(notify_url)
        job = await self._stills.jobs.submit(
            shots,
            model=model,
            owner=owner,
            name=name or read_key(request),
            max_cost_usd=max_cost_usd,
            notify_url=notify_url,
        )
        get_log_entry(request).images = len(shots)
        headers = {"Location": f"/v1/jobs/{job.id}"}
        if prefers_job(request):
            headers["Preference-Applied"] = _ASYNC
        record = await self.record(job)
        if notify_url is not None:
            name_of_owner = None if owner is None else owner.name
            record["webhook_secret"] = self._settings.webhooks.secret_of(name_of_owner)
        return JSONResponse(record, 202, headers)

    async def submit_one(
        self, request: Request, wanted: ImageRequest, *, model: str, takes: int, fresh: bool
    ) -> Response:
        """Store a job of one request, for a client that prefers not to wait.

        Raises:
            StillsError: see stills.contract.errors.
        """
        if fresh:
            raise InvalidRequest(
                "a job can't be fresh: its images are never generated twice",
                field="fresh",
                action="Leave out fresh, or `Prefer: respond-async`.",
            )
        shots = request_shots(wanted, takes=takes, public_url=self._settings.public_url)
        return await self._store(request, tuple(shots), model=model)

    async def find(self, request: Request, job_id: str) -> Job | None:
        """Return a job of the caller; None if there is none."""
        try:
            return await self._stills.jobs.get(job_id, owner=_owner(request))
        except NotFound:
            return None

    async def cancel(self, request: Request, job_id: str) -> Job | None:
        """Start no more shots of a job of the caller; None if there is none."""
        try:
            return await self._stills.jobs.cancel(job_id, owner=_owner(request))
        except NotFound:
            return None

    async def list(self, request: Request, *, limit: int, cursor: str | None) -> Mapping[str, Any]:
        """Return a page of the caller's jobs."""
        jobs = await self._stills.jobs.list(owner=_owner(request), limit=limit + 1, before=cursor)
        shown = jobs[:limit]
        more = len(jobs) > limit
        return {
            "object": "list",
            "data": [await self.record(job) for job in shown],
            "has_more": more,
            "next_cursor": shown[-1].id if more else None,
        }

    async def page(
        self, request: Request, job: Job, *, limit: int, cursor: int
    ) -> Mapping[str, Any]:
        """Return a job with a page of its shots."""
        page = await job_page(
            self._stills,
            job,
            after=cursor,
            limit=limit,
            image_url=lambda one: self._settings.image_url(request, one.id, one.image_url),
        )
        return await self.record(job) | page

    async def follow(self, request: Request, job: Job, emit: Emit) -> None:
        """Emit a job each time it has changed, until it has ended or the service stops."""
        emit(COMMENT)  # so that every error is an event
        stopping: asyncio.Event = request.scope["state"][STOPPING]
        shown = None
        while True:
            record = await self.record(job)
            comparable = {**record, "seconds_left": None}
            if comparable != shown:
                emit(write_event("job", record))
                shown = comparable
            if not job.state.is_active:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _POLL_SECONDS)
                get_log_entry(request).error = "stopping"
                emit(write_refusal(_stopping()))
                return
            job = await self._stills.jobs.get(job.id)

    async def record(self, job: Job) -> dict[str, Any]:
        """Return a job as JSON, with an estimate of the time that it still needs."""
        return job_record(job) | {"seconds_left": await self._estimate_seconds(job)}

    async def _estimate_seconds(self, job: Job) -> float | None:
        if not job.state.is_active:
            return 0.0
        ended = job.counts.total - job.counts.left
        if job.started_at is not None and ended:
            return round(max(time.time() - job.started_at, 0.0) / ended * job.counts.left, 1)
        per_second = (await self._stills.quota(model=job.spec.model)).per_second
        return round(job.counts.left / per_second, 1) if per_second else None


def _stopping() -> Response:
    return problem(
        503, "The service is shutting down. Follow the job again: it goes on.", code="stopping"
    )


def prefers_job(request: Request) -> bool:
    """Return whether a client asks for a job in place of its images (RFC 7240)."""
    return any(
        one.split(";")[0].strip().lower() == _ASYNC
        for header in request.headers.getlist(_PREFER)
        for one in header.split(",")
    )


def _owner(request: Request) -> str | None:
    owner = get_budget_owner(request)
    return None if owner is None else owner.name
