"""One generation to be made, with all that its steps need."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from stills.contract.errors import DeadlineExceeded
from stills.contract.generation import Held, OnSendSettled, OnStage, Stage
from stills.contract.money import Caps
from stills.pipeline.plan import Plan
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.ratelimit.limiter import RateLimiter


class Deadline:
    """A point on the event loop's clock, in seconds; it moves on if others wait for longer.

    `reached` is how far what it bounds has come, and `held` who else works on it at the moment;
    `joined` bounds it for all who wait for the same. `pays` is false for those who wait for a call
    that another began; `stored` is true once there is an image at the size it was made in.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.reached = Stage.CLAIMED
        self.held: Held | None = None
        self.joined: Deadline | None = None
        self.pays = True
        self.stored = False
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Cut the body short when the time comes, with TimeoutError."""
        async with asyncio.timeout_at(self.at) as timeout:
            self._timeout = timeout
            try:
                yield
            finally:
                self._timeout = None

    def extend(self, at: float) -> None:
        """Move it to `at`, if that is later, and it has not come yet."""
        if at <= self.at or (self._timeout is not None and self._timeout.expired()):
            return
        self.at = at
        if self._timeout is not None:
            self._timeout.reschedule(at)

    def exceeded(self, seconds: float) -> DeadlineExceeded:
        """Make the error to raise if it comes now, after `seconds`."""
        bound = self.joined or self
        if self.stored:
            return DeadlineExceeded(
                f"the image is stored, but was not scaled to the size asked for in {seconds:g} s",
                action="Retry, which is free, or allow more time with STILLS_DEADLINE_SECONDS.",
                billing=bound.reached.billing,
            )
        message, held, billing = f"no image within {seconds:g} s", bound.held, bound.reached.billing
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
        """What is left, not below 0."""
        return max(0.0, self.at - asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Job:
    """A planned generation. From the stage after CLAIMED on, money is at stake: it is finished.

    One of `places`, where there are some, is held from before each send until its answer. Once
    `stop` is set, nothing more is sent.
    """

    plan: Plan
    ports: Ports
    policy: Policy
    caps: Caps
    deadline: Deadline
    fresh: bool
    on_stage: OnStage
    places: asyncio.Semaphore | None
    stop: asyncio.Event | None
    pacer: RateLimiter
    on_send_settled: OnSendSettled
