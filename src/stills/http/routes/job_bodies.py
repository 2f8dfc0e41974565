"""Durable jobs as the OpenAPI document describes them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from stills.http.routes.contract import ResultBody


class JobCountsBody(BaseModel):
    """Numbers of shots.

    `done` ones have an image, which was stored already for the `cached` of them. `failed` ones have
    none: the content of the `refused` ones was refused, a cap or a budget stopped the `unpaid`
    ones, and a call of the `unknown` ones may have been billed. `left` ones have not ended.
    """

    total: int
    done: int
    cached: int
    failed: int
    refused: int
    unpaid: int
    unknown: int
    left: int


class JobSpendBody(BaseModel):
    """What the calls of a job cost: numbers of images, and USD without those of unknown price."""

    billed: int
    billed_usd: float
    unpriced: int
    possible: int
    possible_usd: float
    possible_unpriced: int


class FailureBody(BaseModel):
    """Why a job or a shot failed. `billing` is whether it was billed."""

    code: str
    message: str
    action: str
    retryable: bool
    billing: Literal["none", "possible", "billed"]
    request_id: str | None


class JobBody(BaseModel):
    """A job as it is now.

    `ahead` is the number of unfinished jobs that were submitted before it. `seconds_left` is an
    estimate; null without a basis for one. `webhook_secret` verifies the webhooks of your jobs.
    """

    id: str
    name: str | None
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    owner: str | None
    model: str
    provider: str
    counts: JobCountsBody
    spend: JobSpendBody | None
    max_cost_usd: float | None
    ahead: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: FailureBody | None
    seconds_left: float | None
    webhook_secret: str | None = None


class JobShotBody(BaseModel):
    """One shot: its image, its error, or neither before it has ended."""

    id: str
    position: int
    image: ResultBody | None
    error: FailureBody | None


class JobPage(JobBody):
    """A job with one page of its shots; pass `next_cursor` as `cursor` to get the next page."""

    results: list[JobShotBody]
    has_more: bool
    next_cursor: str | None


class JobList(BaseModel):
    """A page of jobs, newest first; pass `next_cursor` as `cursor` to get the next page."""

    object: Literal["list"] = "list"
    data: list[JobBody]
    has_more: bool
    next_cursor: str | None
