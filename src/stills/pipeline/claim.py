"""Claim: of any number of processes that want the same generation, one makes it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stills.contract.errors import CatalogError
from stills.contract.generation import CatalogHit, Claim, Held
from stills.pipeline.context import Job

_BEATS_PER_LEASE = 3


@asynccontextmanager
async def claimed(job: Job) -> AsyncIterator[Claim | CatalogHit]:
    """Hold the claim on a job's key, with a heartbeat, or get what another made meanwhile.

    It is given back when the work fails. Once its generation is kept, nothing is left to hold.
    """
    taken = await _take(job)
    if isinstance(taken, CatalogHit):
        yield taken
        return
    heartbeat = asyncio.create_task(_beat(job, taken))
    try:
        yield taken
    except BaseException:
        # Others are waiting, so a cancelled job gives its claim back too. What went wrong first
        # counts more than a catalog that fails now.
        with contextlib.suppress(CatalogError):
            await asyncio.shield(job.ports.catalog.release(taken))
        raise
    finally:
        heartbeat.cancel()
        await asyncio.gather(heartbeat, return_exceptions=True)


async def _take(job: Job) -> Claim | CatalogHit:
    while True:
        taken = await job.ports.catalog.claim(
            job.plan.spec,
            job.plan.size,
            lease_seconds=job.policy.lease_seconds,
            fresh=job.fresh,
            caps=job.caps,
        )
        if not isinstance(taken, Held):
            job.deadline.held = None
            return taken
        job.deadline.held = taken
        await asyncio.sleep(job.policy.poll_interval_seconds * random.uniform(0.5, 1.5))  # noqa: S311


async def _beat(job: Job, claim: Claim) -> None:
    """Renew the lease until another worker has the claim; the lease outlives two missed beats."""
    lease_seconds = job.policy.lease_seconds
    beat_seconds = wait_seconds = lease_seconds / _BEATS_PER_LEASE
    while True:
        await asyncio.sleep(wait_seconds)
        try:
            if not await job.ports.catalog.renew(claim, lease_seconds=lease_seconds):
                return
            wait_seconds = beat_seconds
        except CatalogError:
            wait_seconds = beat_seconds / _BEATS_PER_LEASE
