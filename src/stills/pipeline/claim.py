"""Claim: of all processes that want the same generation, one makes it and the others wait."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from stills.contract.errors import Billing, CatalogError
from stills.contract.generation import CatalogHit, Claim, Held, Stage
from stills.pipeline.context import Job, known

_BEATS_PER_LEASE = 3
_RETRY_SECONDS = 1.0
_LOG = logging.getLogger("stills")


@asynccontextmanager
async def claim(job: Job) -> AsyncIterator[Job]:
    """Hold the claim on a job's key, with a heartbeat, or get the image that another made.

    The claim is released if the steps after it fail. A stored generation needs none.
    """
    taken = await _take(job)
    if isinstance(taken, CatalogHit):
        yield replace(job, generation=taken.generation, rendition=taken.rendition)
        return
    heartbeat = asyncio.create_task(_beat(job, taken))
    try:
        job.reach(Stage.CLAIMED)
        if taken.generation.stage.billing is Billing.BILLED:
            job.reach(taken.generation.stage)
        yield replace(job, claim=taken, generation=taken.generation)
    except BaseException:
        # Also when cancelled, because others may be waiting. The first error matters more than a
        # catalog that fails now.
        with contextlib.suppress(CatalogError):
            await asyncio.shield(job.ports.catalog.release(taken))
        raise
    finally:
        heartbeat.cancel()
        await asyncio.gather(heartbeat, return_exceptions=True)


async def _take(job: Job) -> Claim | CatalogHit:
    plan = known(job.plan)
    while True:
        taken = await job.ports.catalog.claim(
            plan.spec,
            plan.size,
            lease_seconds=job.policy.lease_seconds,
            fresh=job.options.fresh,
            fresh_key=job.options.fresh_key,
            caps=job.caps,
        )
        if not isinstance(taken, Held):
            job.deadline.held = None
            return taken
        if job.deadline.held is None:
            _LOG.info("waiting for the same image from process %d on %s", taken.pid, taken.host)
        job.deadline.held = taken
        job.options.leave_seat()  # this may take as long as the other process wants
        await job.ports.catalog.wait_until_free(
            plan.spec.key, poll_seconds=job.policy.poll_interval_seconds
        )


async def _beat(job: Job, claim: Claim) -> None:
    """Renew the lease until another worker has the claim; the lease outlives two missed beats.

    A beat that failed, for any reason, is repeated each second.
    """
    lease_seconds = job.policy.lease_seconds
    beat_seconds = wait_seconds = lease_seconds / _BEATS_PER_LEASE
    while True:
        await asyncio.sleep(wait_seconds)
        try:
            if not await job.ports.catalog.renew(claim, lease_seconds=lease_seconds):
                return
            wait_seconds = beat_seconds
        except Exception as error:  # noqa: BLE001 - an end of the beats could be paid for twice
            _LOG.warning("The lease of a claim can't be renewed: %s", error)
            wait_seconds = min(_RETRY_SECONDS, beat_seconds / _BEATS_PER_LEASE)
