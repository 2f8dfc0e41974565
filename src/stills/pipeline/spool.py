"""The spool: where a paid image waits while the store refuses it.

Its folder follows HOME, so processes that share a catalog may have different ones. The catalog says
where each image is.
"""

import asyncio
from contextlib import suppress

from stills.contract.errors import ImageMissing, StorageError
from stills.contract.file_url import file_path
from stills.contract.generation import Generation
from stills.pipeline.integrity import matches_digest, read_verified
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import sidecar_path


def spool_path(generation_id: str) -> str:
    """Return the name of a generation's image in every spool."""
    return f"{generation_id}.png"


def spool_url(ports: Ports, generation: Generation) -> str:
    """Return where a spooled image is, by the catalog if it knows."""
    return generation.spool_url or ports.spool.url(spool_path(generation.id))


async def read_spooled(ports: Ports, generation: Generation) -> bytes:
    """Read a spooled image from this process's spool, or from where the catalog says it is.

    Raises:
        ImageMissing: neither has the image that was spooled.
    """
    path, sha256 = spool_path(generation.id), generation.sha256 or ""
    where = spool_url(ports, generation)
    try:
        return await read_verified(ports.spool, path, sha256)
    except StorageError as error:
        reason = error.message
    if where != ports.spool.url(path):
        try:
            data = await asyncio.to_thread(file_path(where).read_bytes)
            if await matches_digest(data, sha256):
                return data
            reason = "it is damaged"
        except OSError as error:
            reason = error.strerror or str(error)
    raise ImageMissing(
        f"the paid image waits in the spool at {where}, and can't be read there ({reason})",
        action=(
            "Restore that file or make it readable for this process, or set STILLS_SPOOL to the "
            "folder it is in now, then ask again: that costs nothing. If it is lost, ask with "
            "--fresh to pay for a new one."
        ),
    )


async def discard_spooled(ports: Ports, generation: Generation) -> None:
    """Remove a stored image and its sidecar from the spool.

    Raises:
        StoreRefused: they can't be removed from this process's own spool.
    """
    path, sidecar = spool_path(generation.id), sidecar_path(generation.id)
    if spool_url(ports, generation) == ports.spool.url(path):
        await ports.spool.delete(path)
        await ports.spool.delete(sidecar)
        return
    image = file_path(spool_url(ports, generation))
    for file in (image, image.parent / sidecar):
        with suppress(OSError):  # it is another user's: a copy too many does no harm
            await asyncio.to_thread(file.unlink)
