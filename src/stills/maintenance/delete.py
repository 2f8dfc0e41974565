"""Delete stored images: their files, then their records."""

from collections.abc import Sequence
from contextlib import suppress

from stills.contract.errors import StoreRefused
from stills.contract.upkeep import OnProgress
from stills.maintenance.at_once import do_several
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import sidecar_path
from stills.pipeline.thumbnails import thumbnail_path


async def delete(ports: Ports, generation_id: str) -> None:
    """Delete a generation in all sizes.

    The record goes last, so that whatever stops this, it can be repeated. The sidecar goes first,
    because it would bring the image back when the catalog is rebuilt.

    Raises:
        WrongStore: the store's disk is not mounted, or is another's. Nothing was deleted.
        StoreRefused: a file can't be deleted.
    """
    # On an empty mount point every file would count as deleted.
    await ports.marker.check_mounted()
    paths = await ports.catalog.list_generation_objects(generation_id)
    for path in (sidecar_path(generation_id), *paths):
        await ports.store.delete(path)
    if ports.thumbnails is not None:
        for path in paths:
            with suppress(StoreRefused):  # without its image, nobody can look at it
                await ports.thumbnails.delete(thumbnail_path(path))
    await ports.catalog.delete_generation(generation_id)


async def delete_many(
    ports: Ports, generation_ids: Sequence[str], on_progress: OnProgress = lambda _: None
) -> None:
    """Delete generations, several at once.

    Raises:
        WrongStore: the store's disk is not mounted, or is another's.
        StoreRefused: a file can't be deleted; the images before it are deleted.
    """
    finished = 0

    async def run(generation_id: str) -> None:
        nonlocal finished
        await delete(ports, generation_id)
        finished += 1
        on_progress(finished)

    await do_several(run, generation_ids)
