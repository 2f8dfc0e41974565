"""Durable jobs: lists of shots that workers generate. All are frozen."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stills.contract.access import BudgetOwner
from stills.contract.errors import Billing
from stills.contract.outcome import Failure
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.contract.spending import JobSpend


class JobState(StrEnum):
    """The state of a job.

    A job is done when each of its shots has ended, whether it has an image or not. A failed one
    was stopped because every further shot would fail the same way. After the last three, a retry
    continues with the shots that have no image.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_active(self) -> bool:
        """Whether workers may still start shots of the job."""
        return self in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class NeededShot:
    """A reference that is the image of another shot of the same job."""

    id: str


@dataclass(frozen=True, slots=True)
class JobShot:
    """One image of a job; `id` is unique in it.

    `references` are sent in order in place of those of `request`, which then has none. A text is
    an https URL, a data URL or the id of a stored image: workers read no local paths, so a file is
    given as bytes. The shots it needs come before it in the job, with `is_needed`. Neighbours with
    the same `take_of` are takes that a call can make together. `about` is JSON of the submitter,
    which comes back with the result.
    """

    id: str
    request: ImageRequest
    references: tuple[str | bytes | NeededShot, ...] = ()
    is_needed: bool = False
    take_of: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of the shots whose images are references of this one."""
        return tuple(one.id for one in self.references if isinstance(one, NeededShot))


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a job is submitted with.

    Only workers of the same `provider` take it. `owner` pays for it; None is the operator.
    `name` makes submitting idempotent: an owner has one job of each name. `cap_usd` limits what
    all its calls may cost together. `about` is JSON of the submitter; `notify_url` is where to
    report its end.
    """

    model: str
    provider: str
    owner: BudgetOwner | None = None
    name: str | None = None
    cap_usd: float | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    notify_url: str | None = None


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Numbers of shots.

    `done` ones have an image, which was in the catalog for the `cached` of them. `failed` ones have
    none: for `refused` of them the service refused the content, `unpaid` ones were not sent because
    of a cap or a budget, and the outcome of a call is unknown for `unknown` ones.
    """

    total: int
    done: int = 0
    cached: int = 0
    failed: int = 0
    refused: int = 0
    unpaid: int = 0
    unknown: int = 0

    @property
    def left(self) -> int:
        """The number of shots that have not ended."""
        return self.total - self.done - self.failed


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is now. Times are Unix seconds.

    `ahead` is the number of unfinished jobs that were submitted before it. `error` says why it
    failed. `spend` is what its calls cost according to the ledger; None if it was not read.
    """

    id: str
    spec: JobSpec
    state: JobState
    counts: JobCounts
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    error: Failure | None = None
    ahead: int = 0
    spend: JobSpend | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one shot of a job ended: with a result, with a failure, or not yet.

    `position` counts the shots of the job from 0. In the shot, a reference that was given as bytes
    is `sha256:` and its digest.
    """

    position: int
    shot: JobShot
    result: ImageResult | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class QueuedShot:
    """A shot that a worker must generate.

    `accepted_unknown` is how many interrupted calls of it the owner has accepted by a retry.
    """

    position: int
    shot: JobShot
    accepted_unknown: int = 0


@dataclass(frozen=True, slots=True)
class JobPart:
    """Some shots of a job that one worker generates; those that have ended are left out.

    `images` are the ids of the stored images of the shots they need, by the id of the shot; a shot
    that is missing there has no image. After too many attempts, `is_last_attempt`: then each shot
    must end. `one_at_a_time` if earlier attempts have ended their worker.
    """

    job: Job
    number: int
    shots: tuple[QueuedShot, ...]
    images: Mapping[str, str]
    is_last_attempt: bool = False
    one_at_a_time: bool = False


@dataclass(frozen=True, slots=True)
class ShotEnd:
    """How the shot at `position` ended: with a result or a failure."""

    position: int
    result: ImageResult | None = None
    failure: Failure | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether a call may have made an image that never arrived."""
        return self.failure is not None and self.failure.billing is Billing.POSSIBLE


OnShotsEnd = Callable[[Sequence[ShotEnd]], Awaitable[None]]
"""Records how shots ended. Recording a shot again changes nothing."""

OnTry = Callable[[int], Awaitable[None]]
"""Records that the shot at a position is tried alone."""
