"""Follow: journal the task of an asynchronous call, and ask for it until it has ended."""

import asyncio
import logging
import random
from contextlib import suppress

from stills.contract.errors import (
    AccessError,
    Billing,
    CatalogError,
    ModelNotServed,
    RateLimited,
    StillsError,
    TaskRunning,
    UnexpectedAnswer,
)
from stills.contract.generation import Generation, ProviderAnswer, Task
from stills.pipeline.context import Job
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports

_LOG = logging.getLogger("stills")
_GROWTH = 1.5


async def follow(job: Job, generation: Generation, task: Task) -> ProviderAnswer | StillsError:
    """Journal a task, unless that is done, and wait for its end; returns its image or its error.

    Raises:
        TaskRunning: the account may no longer ask.
    """
    job.deadline.task_runs = generation.task == task
    # If the catalog fails, the image may still arrive now, but another process could not ask.
    with suppress(CatalogError):
        if not job.deadline.task_runs:
            await job.ports.catalog.record_task(generation.id, task)
            job.deadline.task_runs = True
    _LOG.info("waiting for the service's task %s", task.id)
    outcome = await wait_for_end(job.ports, job.policy, generation, task)
    job.deadline.task_runs = False
    return outcome


async def wait_for_end(
    ports: Ports, policy: Policy, generation: Generation, task: Task
) -> ProviderAnswer | StillsError:
    """Ask for a task until it has ended; the caller sets the time limit.

    A query that fails says nothing about the task, so it is repeated.

    Raises:
        TaskRunning: the account may no longer ask.
    """
    pause_seconds = policy.task_poll_seconds
    while True:
        wait_seconds = pause_seconds * random.uniform(0.8, 1.2)  # noqa: S311
        try:
            outcome = await ports.provider.ask_task(
                task.id,
                model=generation.spec.model,
                has_reference=bool(generation.spec.references),
                timeout_seconds=policy.task_poll_timeout_seconds,
            )
            if isinstance(outcome, ProviderAnswer):
                return _find_image(outcome, task)
            if outcome is not None:
                return outcome
        except StillsError as error:
            if isinstance(error, AccessError) and not isinstance(error, ModelNotServed):
                raise TaskRunning(
                    f"{error.message.rstrip('.')}, so the task of this image can't be queried",
                    action=f"{error.action} {TaskRunning.default_action}",
                    billing=Billing.POSSIBLE,
                    request_id=error.request_id,
                ) from error
            if isinstance(error, RateLimited):
                wait_seconds = max(wait_seconds, error.retry_after_seconds or 0.0)
        await asyncio.sleep(wait_seconds)
        pause_seconds = min(pause_seconds * _GROWTH, policy.task_poll_max_seconds)


def _find_image(answer: ProviderAnswer, task: Task) -> ProviderAnswer | StillsError:
    images = answer.single_images
    if task.image < len(images):
        return images[task.image]
    return UnexpectedAnswer(
        f"the service made only {len(images)} of the images that one call ordered, and bills only "
        "those",
        action="Retry for this image: it was not billed.",
        request_id=answer.request_id,
    )
