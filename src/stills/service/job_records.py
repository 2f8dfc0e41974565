"""Durable jobs as JSON: the same names in the CLI, HTTP and MCP."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from stills.app import Stills
from stills.contract.jobs import Job, JobResult
from stills.contract.outcome import Failure
from stills.contract.result import ImageResult
from stills.contract.webhooks import Webhook
from stills.service.records import format_time, result_record


def job_record(job: Job) -> dict[str, Any]:
    """Return a job as JSON, without what its submitter keeps with it."""
    spec = job.spec
    return {
        "id": job.id,
        "name": spec.name,
        "state": job.state.value,
        "owner": None if spec.owner is None else spec.owner.name,
        "model": spec.model,
        "provider": spec.provider,
        "counts": {**asdict(job.counts), "left": job.counts.left},
        "spend": None if job.spend is None else asdict(job.spend),
        "max_cost_usd": spec.cap_usd,
        "ahead": job.ahead,
        "created_at": format_time(job.created_at),
        "started_at": None if job.started_at is None else format_time(job.started_at),
        "finished_at": None if job.finished_at is None else format_time(job.finished_at),
        "error": None if job.error is None else failure_record(job.error),
    }


def job_result_record(one: JobResult, image_url: Callable[[ImageResult], str]) -> dict[str, Any]:
    """Return how a shot of a job ended; `image_url` returns where an image opens for the caller."""
    result = one.result
    return {
        "id": one.shot.id,
        "position": one.position,
        "image": None if result is None else result_record(result, image_url(result)),
        "error": None if one.failure is None else failure_record(one.failure),
    }


def webhook_record(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook as JSON."""
    given_up = webhook.gave_up_at
    return {
        "id": webhook.id,
        "job_id": webhook.job_id,
        "ended_at": format_time(webhook.ended_at),
        "attempts": webhook.attempts,
        "next_at": format_time(webhook.next_at),
        "delivered_at": None if webhook.delivered_at is None else format_time(webhook.delivered_at),
        "gave_up_at": None if given_up is None else format_time(given_up),
        "problem": webhook.problem,
    }


async def job_page(
    stills: Stills, job: Job, *, after: int, limit: int, image_url: Callable[[ImageResult], str]
) -> dict[str, Any]:
    """Return a page of a job's shots as JSON, with new links; `after` is the last position."""
    results = await stills.jobs.results(job.id, after=after, limit=limit)
    last = results[-1].position if results else after
    has_more = last + 1 < job.counts.total
    made = [one.result for one in results if one.result is not None]
    renewed = {one.id: one for one in await stills.images.renew_links(made)}
    return {
        "results": [
            job_result_record(one, lambda image: image_url(renewed[image.id])) for one in results
        ],
        "has_more": has_more,
        "next_cursor": str(last) if has_more else None,
    }


def failure_record(failure: Failure) -> dict[str, Any]:
    """Return the error of a job or of a shot as JSON."""
    return {
        "code": failure.code,
        "message": failure.message,
        "action": failure.action,
        "retryable": failure.retryable,
        "billing": failure.billing.value,
        "request_id": failure.request_id,
    }
