"""Rebuild: read the store's images back into a catalog that was lost or damaged.

The store may have millions of images, so only the time and id of each are held.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from stills.contract.errors import StillsError, StoreRefused
from stills.contract.generation import Generation, Rendition
from stills.contract.size import Size
from stills.contract.upkeep import OnOutcome, OnProgress, Recovered
from stills.maintenance.at_once import do_several
from stills.maintenance.recovered import read_sidecars, try_to_adopt
from stills.pipeline.object_names import read_object_path
from stills.pipeline.ports import Ports
from stills.pipeline.render import native_rendition
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_generation

_READ_TOGETHER = 64
_ID_BITS = 48  # an id is twelve hexadecimal digits
_MICROSECONDS = 1_000_000


async def rebuild(
    ports: Ports, on_outcome: OnOutcome | None = None, on_progress: OnProgress = lambda _: None
) -> tuple[str | None, list[Recovered]]:
    """Add every intact image with a sidecar to the catalog, from the store and its spool.

    A damaged catalog is set aside first. Returns its new path, or None if it was sound, and the
    outcome for each image that was missing in the catalog, unless `on_outcome` gets them.

    Raises:
        StoreRefused: the store is missing, can't be read or has no sidecar; the catalog is
            unchanged.
        CatalogError: the catalog can't be used.
    """
    ids, unreadable = await _list_by_age(ports)
    if not ids:
        # An unmounted disk looks like this too.
        raise StoreRefused(
            f"there is no image to rebuild the catalog from: {ports.store.url(SIDECAR_FOLDER)} is "
            "missing or has no sidecar that can be read; the catalog is unchanged",
            action="Mount the store's disk or correct STILLS_STORE, then run it again.",
        )
    outcomes: list[Recovered] = []
    on_outcome = on_outcome or outcomes.append
    aside = await ports.catalog.set_aside_if_damaged()
    rejected = await _add_stored(ports, ids, on_outcome, on_progress)
    await _add_renditions(ports, rejected)
    with suppress(StoreRefused):  # here it is enough that the store can be read
        await ports.marker.accept()
    await _add_spooled(ports, on_outcome)
    for outcome in unreadable:
        on_outcome(outcome)
    return aside, outcomes


class _Ids:
    """Ids of generations, oldest first, in 40 bytes each."""

    def __init__(self) -> None:
        self._packed: list[int] = []

    def __len__(self) -> int:
        return len(self._packed)

    def add(self, generation: Generation) -> None:
        time = round(generation.created_at * _MICROSECONDS)
        self._packed.append(time << _ID_BITS | int(generation.id, 16))

    def sort(self) -> None:
        self._packed.sort()

    def __iter__(self) -> Iterator[str]:
        mask = (1 << _ID_BITS) - 1
        return (f"{packed & mask:012x}" for packed in self._packed)


async def _list_by_age(ports: Ports) -> tuple[_Ids, list[Recovered]]:
    """Return the ids in valid sidecars, and the outcomes for sidecars that can't be read."""
    ids, unreadable = _Ids(), []
    async for sidecar in read_sidecars(ports.store):
        if isinstance(sidecar, Recovered):
            unreadable.append(sidecar)
        else:
            ids.add(sidecar.generation)
    ids.sort()
    return ids, unreadable


async def _add_stored(
    ports: Ports, ids: _Ids, on_outcome: OnOutcome, on_progress: OnProgress
) -> set[str]:
    """Add intact images in the order of their ids; returns the ids of the others.

    The newest image of a key answers its requests, so the order matters.
    """
    rejected: set[str] = set()
    finished = 0

    async def read(generation_id: str) -> tuple[Generation, bool] | Recovered:
        return await _read_image(ports, generation_id)

    remaining = iter(ids)
    while some := list(islice(remaining, _READ_TOGETHER)):
        intact: list[tuple[Generation, Sequence[Rendition]]] = []
        for image in await do_several(read, some):
            if isinstance(image, Recovered):
                rejected.add(image.generation_id)
                on_outcome(image)
            else:
                generation, has_size = image
                intact.append((generation, [native_rendition(generation)] if has_size else []))
            finished += 1
            on_progress(finished)
        adopted = await ports.catalog.adopt_many(intact)
        for (generation, _), is_new in zip(intact, adopted, strict=True):
            if is_new:
                on_outcome(Recovered(generation.id, kept=True))
    return rejected


async def _read_image(ports: Ports, generation_id: str) -> tuple[Generation, bool] | Recovered:
    """Return a generation whose image is intact, and whether the image has the expected size."""
    try:
        generation = await read_generation(ports.store, generation_id)
        if generation is None:
            return Recovered(generation_id, kept=False, reason="its sidecar changed meanwhile")
        data = await ports.store.get(generation.object_path or "")
        inspection = await ports.imaging.inspect(data)
    except StillsError as error:
        return Recovered(generation_id, kept=False, reason=error.message)
    if inspection.sha256 != generation.sha256:
        reason = "the image does not match its sidecar"
        return Recovered(generation_id, kept=False, reason=reason)
    return generation, inspection.size == generation.spec.native_size


async def _add_renditions(ports: Ports, rejected: set[str]) -> None:
    """Add the images in other sizes, found by the names of the store's files."""

    async def read(path: str) -> tuple[Generation, Rendition] | None:
        return await _read_rendition(ports, path, *names[path])

    async for paths in ports.store.pages(""):
        names = {
            path: name
            for path in paths
            if (name := read_object_path(path)) and name[0] not in rejected
        }
        ids = {path: generation_id for path, (generation_id, _) in names.items()}
        for found in await do_several(read, await ports.catalog.find_unknown(ids)):
            if found is not None:
                generation, rendition = found
                await ports.catalog.adopt(generation, [rendition])


async def _read_rendition(
    ports: Ports, path: str, generation_id: str, size: Size
) -> tuple[Generation, Rendition] | None:
    """Return a rendition if it has the size in its name, with its generation."""
    try:
        generation = await read_generation(ports.store, generation_id)
        data = await ports.store.get(path)
        inspection = await ports.imaging.inspect(data)
    except StillsError:
        return None
    if generation is None or inspection.size != size:
        return None
    return generation, Rendition(generation_id, size, inspection.sha256, len(data), path)


async def _add_spooled(ports: Ports, on_outcome: OnOutcome) -> None:
    """Store the spooled images that belong to this store, or don't say to which they belong.

    Several catalogs may share a spool. The others' images stay there.
    """
    store_id = await ports.marker.read_id()
    async for sidecar in read_sidecars(ports.spool):
        if isinstance(sidecar, Recovered):
            on_outcome(sidecar)
            continue
        is_ours = sidecar.store_id in (None, store_id)
        if is_ours or await ports.catalog.list_sends(sidecar.generation.id):
            outcome = await try_to_adopt(ports, sidecar.generation.id)
            if outcome is not None:
                on_outcome(outcome)
