"""Fetch: download what was paid for, and see that it is whole."""

import asyncio

from stills.contract.errors import Billing, DamagedImage, LinkDead, StorageError
from stills.contract.generation import Chunks, Generation, Inspection, ProviderAnswer
from stills.contract.size import Size
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports


async def fetch(
    ports: Ports, policy: Policy, generation: Generation, answer: ProviderAnswer
) -> tuple[Chunks, Inspection]:
    """Download an answer's image; a failed download is tried again, for it costs nothing.

    Raises:
        LinkDead: no attempt got the image.
        DamagedImage: it came, but it is no PNG of the promised size that can be decoded.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            data = await ports.provider.download(
                answer.image_url, timeout_seconds=policy.download_timeout_seconds
            )
            return data, await _inspect(data, generation, ports)
        except (LinkDead, DamagedImage) as error:
            if attempt >= policy.download_attempts:
                billed = error.with_(request_id=answer.request_id, billing=Billing.BILLED)
                raise billed from error
            await asyncio.sleep(policy.backoff_base_seconds * attempt / 2)


async def _inspect(data: Chunks, generation: Generation, ports: Ports) -> Inspection:
    try:
        inspection = await ports.imaging.inspect(data)
        # Before it is decoded: a forged header must not make us decode more than was ordered.
        _check_size(inspection.size, generation.spec.native_size)
        await ports.imaging.check_pixels(data)
    except DamagedImage as error:
        raise await _set_aside(data, generation, ports, error.message) from error
    return inspection


def _check_size(found: Size, promised: Size) -> None:
    if found != promised:
        raise DamagedImage(f"the image is {found}, {promised} was ordered")


async def _set_aside(
    data: Chunks, generation: Generation, ports: Ports, message: str
) -> DamagedImage:
    """Lay what was paid for but can't be used where a person can look at it."""
    path = f"rejected-{generation.id}.bin"
    try:
        await ports.spool.put(path, data)
    except StorageError:
        return DamagedImage(message)
    # Where they lie is not for everybody's eyes: the doors leave that out for callers from outside.
    where = f"The bytes are set aside at {ports.spool.url(path)}."
    return DamagedImage(message, action=f"{where} {DamagedImage.default_action}")
