"""The spool: a local folder for paid images that the store refuses.

By default it is in HOME, so processes that share a catalog may have different spools. The catalog
records where each image is, and on which machine.
"""

import asyncio
import socket
from contextlib import suppress

from stills.contract.errors import ImageMissing, StorageError
from stills.contract.file_url import file_path
from stills.contract.generation import Generation
from stills.pipeline.integrity import matches_digest, read_verified
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import sidecar_path


def spool_path(generation_id: str) -> str:
    """Return the file name of a generation's image in any spool."""
    return f"{generation_id}.png"


def spool_url(ports: Ports, generation: Generation) -> str:
    """Return where a spooled image is, from the catalog if it knows."""
    return generation.spool_url or ports.spool.url(spool_path(generation.id))


async def read_spooled(ports: Ports, generation: Generation) -> bytes:
    """Read a spooled image from this process's spool or from the place in the catalog.

    Raises:
        ImageMissing: the image is in neither place.
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
    owner = generation.spool_owner
    if owner is not None and owner != socket.gethostname():
        raise ImageMissing(
            f"the paid image is in the spool of the machine {owner}, at {where}, and can't be "
            "read or downloaded here",
            action=(
                f"Run `stills recover` on {owner}, which stores it free of charge, then retry. If "
                "that machine or its spool is lost, use --fresh to pay for a new image."
            ),
        )
    raise ImageMissing(
        f"the paid image in the spool at {where} can't be read ({reason})",
        action=(
            "Restore that file or make it readable for this process, or set STILLS_SPOOL to the "
            "folder it is in now, then retry, which is free. If it is lost, use --fresh to pay for "
            "a new one."
        ),
    )


async def discard_spooled(ports: Ports, generation: Generation) -> None:
    """Remove a stored image and its sidecar from the spool, if this process may."""
    image = file_path(spool_url(ports, generation))
    for file in (image, image.parent / sidecar_path(generation.id)):
        with suppress(OSError):  # another user's file; an extra copy does no harm
            await asyncio.to_thread(file.unlink)
