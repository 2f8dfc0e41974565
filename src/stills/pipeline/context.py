"""A job and its deadline: what the steps of one request work with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from stills.contract.access import BudgetOwner
from stills.contract.errors import DeadlineExceeded, TaskRunning
from stills.contract.generation import (
    CatalogHit,
    CatalogMiss,
    Chunks,
    Claim,
    Generation,
    GenerationSpec,
    Held,
    Inspection,
    OnSendSettled,
    OnStage,
    ProviderAnswer,
    ProviderRequest,
    Rendition,
    Stage,
)
from stills.contract.models import Model
from stills.contract.money import Caps, JobBudget, check_max_cost
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.size import Size
from stills.contract.takes import Seat, Take
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.reference import Reference
from stills.ratelimit.limiter import RateLimiter

Value = TypeVar("Value")

Render = Callable[[Generation, Size], Awaitable[Rendition]]
"""Crops and scales a generation and stores the rendition."""

LoadReference = Callable[[str | bytes], Awaitable[Reference]]
"""Loads a reference image from a URL, a path or bytes."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer one request.

    `fresh` always pays for a new image; requests with the same `fresh_key`, and this request if it
    is repeated with it, share one. `max_cost_usd` caps what all API calls of this request may
    cost together; `payer` has a daily cap as well. `miss` is what a look-up found a moment
    ago, so there is no other before the claim. One of `slots` is held during each API call.
    After `stop` is set, nothing more is sent. `take` is the take that the request is, if it is one,
    and `job` the durable job that it belongs to.

    Raises:
        InvalidRequest: `max_cost_usd` is not an amount in US dollars.
    """

    model: str
    fresh: bool = False
    max_cost_usd: float | None = None
    payer: BudgetOwner | None = None
    miss: CatalogMiss | None = None
    slots: asyncio.Semaphore | None = None
    stop: asyncio.Event | None = None
    on_stage: OnStage = lambda _: None
    on_send_settled: OnSendSettled = lambda *_: None
    take: Take | None = None
    job: JobBudget | None = None
    fresh_key: str | None = None

    def __post_init__(self) -> None:
        check_max_cost(self.max_cost_usd)

    @property
    def seat(self) -> Seat | None:
        """The request's place in an API call that several takes share."""
        return self.take.seat if self.take else None

    @property
    def drawn_seed(self) -> int | None:
        """What to send if the request has no seed; None draws one."""
        return self.take.drawn_seed if self.take else None

    def leave_seat(self) -> None:
        """Let other takes continue without this request."""
        if self.take is not None:
            self.take.leave_seat()


class Deadline:
    """A time on the event loop's clock, in seconds. A shared call's moves with its latest waiter.

    `reached` is the stage of the work, and `held` the other process that works on it at the moment.
    `has_sent` stays true once an API call was begun. A request that waits for a shared call has
    that call's deadline in `joined`, and `pays` only if it began the call. `task_runs` is true
    while the journal has a task that the service has not ended yet. `stored` is true once the image
    is stored at its native size.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.reached = Stage.CLAIMED
        self.has_sent = False
        self.held: Held | None = None
        self.joined: Deadline | None = None
        self.pays = True
        self.task_runs = False
        self.stored = False
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Cancel the body at the deadline, with TimeoutError."""
        async with asyncio.timeout_at(self.at) as timeout:
            self._timeout = timeout
            try:
                yield
            finally:
                self._timeout = None

    def extend(self, at: float) -> None:
        """Move it to `at` if that is later, unless it has passed."""
        if at <= self.at or (self._timeout is not None and self._timeout.expired()):
            return
        self.at = at
        if self._timeout is not None:
            self._timeout.reschedule(at)

    def exceeded(self, seconds: float) -> DeadlineExceeded | TaskRunning:
        """Return the error to raise if it passes now, after `seconds`."""
        work = self.joined or self
        if self.stored:
            return DeadlineExceeded(
                f"the image is stored, but was not scaled to the requested size in {seconds:g} s",
                action="Retry, which is free, or allow more time with STILLS_DEADLINE_SECONDS.",
                billing=work.reached.billing,
            )
        message, held, billing = f"no image within {seconds:g} s", work.held, work.reached.billing
        if work.task_runs:
            return TaskRunning(
                f"{message}; the service is still working on it",
                action=f"{TaskRunning.default_action} STILLS_DEADLINE_SECONDS allows more time.",
                billing=billing,
            )
        if held is None:
            return DeadlineExceeded(message, billing=billing)
        since = datetime.fromtimestamp(held.since, UTC)
        return DeadlineExceeded(
            f"{message}: another process is still working on it",
            action=(
                f"Process {held.pid} on {held.host} has been working on it since "
                f"{since:%Y-%m-%d %H:%M:%S} UTC. If it is paused or stuck, resume or end it, then "
                "retry. Otherwise allow more time with STILLS_DEADLINE_SECONDS."
            ),
            billing=billing,
        )

    @property
    def remaining_seconds(self) -> float:
        """The time left, at least 0."""
        return max(0.0, self.at - asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Plan:
    """What to look up in the catalog and, if it is not there, to request from the provider."""

    spec: GenerationSpec
    provider_request: ProviderRequest
    size: Size


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer of API call number `send`; `journalled` is false if the catalog failed to."""

    answer: ProviderAnswer
    notes: tuple[str, ...]
    send: int
    journalled: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded image, verified and decoded."""

    data: bytes | Chunks
    inspection: Inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request on its way through the steps. Each step returns a copy with its results."""

    request: ImageRequest
    model: Model
    options: Options
    ports: Ports
    policy: Policy
    caps: Caps
    limiter: RateLimiter
    render: Render
    load_reference: LoadReference
    deadline: Deadline

    # Set by plan.
    references: tuple[Reference, ...] = ()
    plan: Plan | None = None
    # Set by look_up: the hit, or notes on the store that is about to take a new image.
    hit: CatalogHit | None = None
    notes: tuple[str, ...] = ()
    # The image so far: set by look_up or claim, and updated by the steps up to keep.
    generation: Generation | None = None
    # Set by claim, unless another process made the image meanwhile.
    claim: Claim | None = None
    # Set by send, if it called the API.
    sent: Sent | None = None
    # Set by fetch, and dropped by keep.
    fetched: Fetched | None = None
    # Set by look_up, claim or render, and by record.
    rendition: Rendition | None = None
    result: ImageResult | None = None

    @property
    def uses_tasks(self) -> bool:
        """Whether API calls for this job are asynchronous."""
        return self.policy.uses_tasks and self.model.has_tasks

    def reach(self, stage: Stage) -> None:
        """Report the stage that the generation has reached."""
        self.deadline.reached = stage
        self.deadline.has_sent = self.deadline.has_sent or stage is not Stage.CLAIMED
        self.options.on_stage(stage)


def known(value: Value | None) -> Value:
    """Return what an earlier step has set.

    Raises:
        RuntimeError: the steps ran in the wrong order.
    """
    if value is None:
        raise RuntimeError("a step ran before the one that it depends on")
    return value
