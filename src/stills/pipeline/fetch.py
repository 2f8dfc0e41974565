"""Fetch: download the paid image, or read it from the spool, and verify it."""

import asyncio
import time
from dataclasses import replace

from stills.contract.errors import (
    AccessError,
    Billing,
    DamagedImage,
    ImageMissing,
    LinkDead,
    ServiceError,
    StorageError,
)
from stills.contract.generation import Chunks, Generation, Inspection, ProviderAnswer, Stage
from stills.pipeline.context import Fetched, Job, known
from stills.pipeline.journal import journal_if_not_stored
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.spool import read_spooled, spool_url


class LinkExpired(Exception):
    """The link to a paid image has expired and was tried: the image is lost."""


async def fetch(job: Job) -> Job:
    """Get the paid image, unless it is stored already.

    Raises:
        StillsError: it can't be downloaded, or is damaged.
        LinkExpired: it can't be downloaded any more.
    """
    generation, sent = known(job.generation), job.sent
    if generation.stage is Stage.KEPT:
        return job
    if sent is None:
        generation, fetched = await fetch_paid(job.ports, job.policy, generation)
        return replace(job, generation=generation, fetched=fetched)
    async with journal_if_not_stored(job):
        fetched = await _download(job.ports, job.policy, generation, sent.answer)
    return replace(job, fetched=fetched)


async def fetch_paid(
    ports: Ports, policy: Policy, generation: Generation
) -> tuple[Generation, Fetched]:
    """Get the image of an interrupted generation that was answered or spooled.

    Returns the generation as it is now: not spooled any more, if its image had to be downloaded.

    Raises:
        StillsError: it can't be read or downloaded; the generation stays as it is.
        LinkExpired: it can't be downloaded any more.
    """
    if generation.stage is not Stage.SPOOLED:
        return generation, await _download_again(ports, policy, generation)
    try:
        return generation, await _read_spooled(ports, generation)
    except ImageMissing as missing:
        if generation.answer is None or generation.spec.provider != ports.provider.name:
            raise
        # The link may still work, and downloading is free.
        answered = replace(generation, stage=Stage.ANSWERED, spool_url=None)
        try:
            return answered, await _download_again(ports, policy, answered)
        except (ServiceError, AccessError, LinkExpired) as error:
            raise missing from error


async def _download_again(ports: Ports, policy: Policy, generation: Generation) -> Fetched:
    answer = known(generation.answer)
    if answer.expires_at == 0.0:
        raise LinkExpired
    try:
        return await _download(ports, policy, generation, answer)
    except (LinkDead, DamagedImage) as error:
        # Give up only a link that failed, because our clock may be ahead of the service's.
        if time.time() < answer.expires_at:
            raise
        await ports.catalog.record_link_dead(generation.id)
        raise LinkExpired from error


async def _read_spooled(ports: Ports, generation: Generation) -> Fetched:
    data = await read_spooled(ports, generation)
    try:
        inspection = await ports.imaging.inspect(data)
        await ports.imaging.check_pixels(data)
    except DamagedImage as error:  # an older version spooled images without decoding them
        raise ImageMissing(
            f"the paid image in the spool at {spool_url(ports, generation)} is a {error.message}",
            action="Use --fresh to pay for a new one.",
        ) from error
    return Fetched(data, inspection)


async def _download(
    ports: Ports, policy: Policy, generation: Generation, answer: ProviderAnswer
) -> Fetched:
    """Download an answer's image; failed downloads are retried, because that is free.

    Raises:
        LinkDead: all attempts failed.
        DamagedImage: it is not a decodable PNG. Its size does not matter, because it is paid for.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            data = await ports.provider.download(
                answer.image_url, timeout_seconds=policy.download_timeout_seconds
            )
            return Fetched(data, await _inspect(data, generation, ports))
        except (LinkDead, DamagedImage) as error:
            if attempt >= policy.download_attempts:
                billed = error.with_(request_id=answer.request_id, billing=Billing.BILLED)
                raise billed from error
            await asyncio.sleep(policy.backoff_base_seconds * attempt / 2)


async def _inspect(data: Chunks, generation: Generation, ports: Ports) -> Inspection:
    try:
        inspection = await ports.imaging.inspect(data)
        await ports.imaging.check_pixels(data)
    except DamagedImage as error:
        raise await _set_aside(data, generation, ports, error.message) from error
    return inspection


async def _set_aside(
    data: Chunks, generation: Generation, ports: Ports, message: str
) -> DamagedImage:
    """Save a paid but unusable image for inspection; returns the error that says where."""
    path = f"rejected-{generation.id}.bin"
    try:
        await ports.spool.put(path, data)
    except StorageError:
        return DamagedImage(message)
    # Front ends hide the path from remote callers.
    where = f"The bytes are set aside at {ports.spool.url(path)}."
    return DamagedImage(message, action=f"{where} {DamagedImage.default_action}")
