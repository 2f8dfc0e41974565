"""One generation to be made, with all that its steps need."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stills.contract.errors import Billing
from stills.contract.generation import OnBilling, OnStage, Stage
from stills.contract.money import Caps
from stills.pipeline.pacer import Pacer
from stills.pipeline.plan import Plan
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports


class Deadline:
    """A point on the event loop's clock, in seconds; it moves on if others wait for longer.

    `reached` is how far what it bounds has come; `joined` bounds it for all who wait for the same.
    `pays` is false for those who wait for a call that another began.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.reached = Stage.CLAIMED
        self.joined: Deadline | None = None
        self.pays = True
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

    @property
    def billing(self) -> Billing:
        """What it means for money if it comes now."""
        return (self.joined or self).reached.billing

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
    pacer: Pacer
    on_billing: OnBilling
