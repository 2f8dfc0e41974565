"""Durable jobs: requests that workers generate, while no client waits."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import JSONResponse, Response

from stills.http.errors import not_found
from stills.http.event_stream import answer_events, stream_events
from stills.http.jobs import HttpJobs
from stills.http.openapi import EVENTS, JOB, refusals
from stills.http.request_body import read_object
from stills.http.routes.job_bodies import JobBody, JobList, JobPage
from stills.http.settings import Settings
from stills.service.job_request import JobRequest, read_job

_Position = Annotated[
    str,
    Query(pattern="^[0-9]{1,9}$"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}$"}),
]


def make_jobs_router(jobs: HttpJobs, settings: Settings) -> APIRouter:
    """Serve durable jobs; a client sees only those of its own API key."""
    router = APIRouter(prefix="/v1", tags=["jobs"])

    @router.post(
        "/jobs",
        status_code=202,
        openapi_extra=JOB,
        response_model=JobBody,
        responses=refusals(404, 409, 410, 413, 415),
    )
    async def submit_job(request: Request) -> Response:
        """Submit one request, or a list of them in `shots`; workers generate the images."""

        def read() -> JobRequest:
            return read_job(read_object(request), public_url=settings.public_url)

        # Not in the event loop: a list may have thousands of shots.
        return await jobs.submit(request, await asyncio.to_thread(read))

    @router.get("/jobs", response_model=JobList, responses=refusals())
    async def list_jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """List your jobs, newest first."""
        return JSONResponse(await jobs.list(request, limit=limit, cursor=cursor))

    @router.get("/jobs/{job_id}", response_model=JobPage, responses=refusals(404))
    async def show_job(
        request: Request,
        job_id: str,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: _Position | None = None,
    ) -> Response:
        """Show a job and a page of its shots, in their order."""
        job = await jobs.find(request, job_id)
        if job is None:
            return _no_job()
        position = -1 if cursor is None else int(cursor)
        return JSONResponse(await jobs.page(request, job, limit=limit, cursor=position))

    @router.get(
        "/jobs/{job_id}/events",
        response_class=Response,
        responses={200: {"content": EVENTS}, **refusals(404)},
    )
    async def follow_job(request: Request, job_id: str) -> Response:
        """Follow a job: an event `job` each time it has changed, until it has ended."""
        job = await jobs.find(request, job_id)
        if job is None:
            return _no_job()
        return await answer_events(
            stream_events(
                request,
                lambda emit: jobs.follow(request, job, emit),
                settings.keep_alive_seconds,
            )
        )

    @router.delete("/jobs/{job_id}", response_model=JobBody, responses=refusals(404))
    async def cancel_job(request: Request, job_id: str) -> Response:
        """Start no more shots of a job. What was sent is finished and stored."""
        job = await jobs.cancel(request, job_id)
        return _no_job() if job is None else JSONResponse(await jobs.record(job))

    return router


def _no_job() -> Response:
    return not_found("No job of yours has this id; /v1/jobs lists your jobs.")
