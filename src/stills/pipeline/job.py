"""One generation to be made, with all that its steps need."""

import asyncio
from dataclasses import dataclass

from stills.contract.generation import OnBilling, OnStage
from stills.contract.money import Caps
from stills.pipeline.pacer import Pacer
from stills.pipeline.plan import Plan
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the event loop's clock, in seconds."""

    at: float

    @property
    def remaining_seconds(self) -> float:
        """What is left, not below 0."""
        return max(0.0, self.at - asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Job:
    """A planned generation. From the stage after CLAIMED on, money is at stake: it is finished.

    One of `places`, where there are some, is held from before each send until its answer. Once
    `stop` is set, what failed is not sent again.
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
