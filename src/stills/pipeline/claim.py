"""Claim: of any number of processes that want the same generation, one makes it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stills.contract.errors import Billing, CatalogError
from stills.contract.generation import Claim, Found
from stills.pipeline.job import Job


@asynccontextmanager
async def claimed(job: Job) -> AsyncIterator[Claim | Found]:
    """Hold the claim on a job's key, with a heartbeat, or get what another made meanwhile.

    It is given back when the work fails. Once its generation is kept, nothing is left to hold.
    """
    taken = await _take(job)
    if isinstance(taken, Found):
        yield taken
        return
    heartbeat = asyncio.create_task(_beat(job, taken))
    try:
        yield taken
    except BaseException as error:
        # A paid image that is not journalled: given back, the claim would count it as failed; left
        # to lapse, it makes the next worker look for it.
        if not isinstance(error, CatalogError) or error.billing is Billing.NONE:
            # A cancelled job must still give its claim back, or others wait for the lease to lapse;
            # they do as well if the catalog fails here, and the first error counts more than that.
            with contextlib.suppress(CatalogError):
                await asyncio.shield(job.ports.catalog.release(taken))
        raise
    finally:
        heartbeat.cancel()
        await asyncio.gather(heartbeat, return_exceptions=True)


async def _take(job: Job) -> Claim | Found:
    while True:
        taken = await job.ports.catalog.claim(
            job.plan.draft,
            job.plan.size,
            lease_seconds=job.policy.lease_seconds,
            fresh=job.fresh,
            caps=job.caps,
        )
        if taken is not None:
            return taken
        await asyncio.sleep(job.policy.poll_interval_seconds * random.uniform(0.5, 1.5))  # noqa: S311


async def _beat(job: Job, claim: Claim) -> None:
    lease_seconds = job.policy.lease_seconds
    renewed = True
    while renewed:
        await asyncio.sleep(lease_seconds / 3)
        # A beat that fails may be followed by one that does not; the lease bears two misses.
        with contextlib.suppress(CatalogError):
            renewed = await job.ports.catalog.renew(claim, lease_seconds=lease_seconds)
