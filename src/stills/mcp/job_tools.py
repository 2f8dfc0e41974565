"""The tools for durable jobs."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import mcp_types as types

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.errors import InvalidRequest
from stills.contract.jobs import Job
from stills.contract.result import ImageResult
from stills.mcp.job_schemas import RESULTS_DEFAULT, RESULTS_MAX
from stills.service.job_records import job_page, job_record
from stills.service.job_request import read_job

_POSITION = re.compile(r"[0-9]{1,9}", re.ASCII)
_IMAGE_FIELDS = ("id", "image_url", "width", "height", "seed", "cached", "cost_usd")


class JobTools:
    """Submits and shows the jobs of a caller: `owner` is its API key, None without keys."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills

    async def submit(
        self, arguments: Mapping[str, Any], owner: BudgetOwner | None
    ) -> types.CallToolResult:
        """Store a job."""
        wanted = read_job(arguments)
        if wanted.webhook_url is not None:
            raise InvalidRequest(
                "webhook_url is not an argument here",
                field="webhook_url",
                action="Call image_job_status from time to time.",
            )
        if wanted.model is not None and not isinstance(wanted.model, str):
            raise InvalidRequest("model is not text", field="model", action="Use an exact id.")
        job = await self._stills.jobs.submit(
            wanted.shots,
            model=self._stills.model(wanted.model).id,
            owner=owner,
            name=wanted.name,
            max_cost_usd=wanted.max_cost_usd,
        )
        return _answer(job_record(job), _summarize(job))

    async def show(
        self,
        arguments: Mapping[str, Any],
        owner: BudgetOwner | None,
        image_url: Callable[[ImageResult], str],
    ) -> types.CallToolResult:
        """Show a job with a page of its results."""
        job_id, after, limit = _read_page(arguments)
        name = None if owner is None else owner.name
        job = await self._stills.jobs.get(job_id, owner=name)
        page = await job_page(self._stills, job, after=after, limit=limit, image_url=image_url)
        records = page["results"]
        for record in records:
            if record["image"] is not None:
                record["image"] = {name: record["image"][name] for name in _IMAGE_FIELDS}
        lines = [_summarize(job), *(json.dumps(record) for record in records)]
        return _answer(job_record(job) | page, "\n".join(lines))


def _answer(record: dict[str, Any], text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=record)


def _summarize(job: Job) -> str:
    counts = job.counts
    ended = f"{counts.done} of {counts.total} images are done, {counts.failed} failed"
    waits = f"; {job.ahead} jobs are before it" if job.ahead else ""
    error = f" {job.error.message} {job.error.action}" if job.error is not None else ""
    return f"Job {job.id} is {job.state.value}: {ended}{waits}.{error}"


def _read_page(arguments: Mapping[str, Any]) -> tuple[str, int, int]:
    job_id, cursor = arguments.get("id"), arguments.get("cursor")
    limit = arguments.get("limit", RESULTS_DEFAULT)
    if not isinstance(job_id, str):
        raise InvalidRequest("id is missing", field="id", action="Use the id of your job.")
    if not cursor:
        cursor = "-1"  # before the first shot
    elif not isinstance(cursor, str) or _POSITION.fullmatch(cursor) is None:
        raise InvalidRequest(
            "cursor is not valid", field="cursor", action="Use next_cursor of the page before."
        )
    if type(limit) is not int or not 1 <= limit <= RESULTS_MAX:
        raise InvalidRequest(
            "limit is not a number in range",
            field="limit",
            action=f"Use a whole number from 1 to {RESULTS_MAX}.",
        )
    return job_id, int(cursor), limit
