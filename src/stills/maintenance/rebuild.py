"""Rebuild: read the store's images back into a catalog that was lost or damaged."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from stills.contract.errors import StillsError, StoreRefused
from stills.contract.generation import Generation, Rendition
from stills.maintenance.recovered import (
    Recovered,
    read_sidecars,
    try_to_adopt,
    unreadable_sidecar,
)
from stills.pipeline.object_names import read_object_path
from stills.pipeline.ports import Ports
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_sidecar, read_store_id


async def rebuild(ports: Ports) -> tuple[str | None, list[Recovered]]:
    """Add every intact image with a sidecar to the catalog, from the store and its spool.

    A damaged catalog is set aside first. Returns its new path, or None if it was sound, and the
    outcome for each image that was missing in the catalog.

    Raises:
        StoreRefused: the store is missing, can't be read or has no sidecar; the catalog is
            unchanged.
        CatalogError: the catalog can't be used.
    """
    stored, unreadable = await read_sidecars(ports.store)
    if not stored:
        # An unmounted disk looks like this too.
        raise StoreRefused(
            f"there is no image to rebuild the catalog from: {ports.store.url(SIDECAR_FOLDER)} is "
            "missing or has no sidecar that can be read; the catalog is unchanged",
            action="Mount the store's disk or correct STILLS_STORE, then run it again.",
        )
    renditions = await _find_renditions(ports)
    aside = await ports.catalog.set_aside_if_damaged()
    outcomes = await _add_stored(ports, stored, renditions)
    with suppress(StoreRefused):  # here it is enough that the store can be read
        await ports.marker.accept()
    return aside, [*outcomes, *await _add_spooled(ports), *unreadable]


async def _add_stored(
    ports: Ports, stored: list[Generation], renditions: Mapping[str, Sequence[Rendition]]
) -> list[Recovered]:
    outcomes = []
    for generation in sorted(stored, key=lambda generation: generation.created_at):
        try:
            inspection = await ports.imaging.inspect(
                await ports.store.get(generation.object_path or "")
            )
        except StillsError as error:
            outcomes.append(Recovered(generation.id, kept=False, reason=error.message))
            continue
        if inspection.sha256 != generation.sha256:
            reason = "the image does not match its sidecar"
            outcomes.append(Recovered(generation.id, kept=False, reason=reason))
        elif await ports.catalog.adopt(generation, renditions.get(generation.id, [])):
            outcomes.append(Recovered(generation.id, kept=True))
    return outcomes


async def _add_spooled(ports: Ports) -> list[Recovered]:
    """Store the spooled images that belong to this store, or don't say to which they belong.

    Several catalogs may share a spool. The others' images stay there.
    """
    outcomes = []
    store_id = await ports.marker.read_id()
    for path in await ports.spool.paths(SIDECAR_FOLDER):
        try:
            sidecar = await ports.spool.get(path)
        except StillsError as error:
            outcomes.append(unreadable_sidecar(path, error))
            continue
        generation = read_sidecar(sidecar)
        if generation is None:
            continue
        is_ours = read_store_id(sidecar) in (None, store_id)
        if is_ours or await ports.catalog.list_sends(generation.id):
            outcome = await try_to_adopt(ports, generation.id)
            if outcome is not None:
                outcomes.append(outcome)
    return outcomes


async def _find_renditions(ports: Ports) -> dict[str, list[Rendition]]:
    """Find renditions by the names of the store's files, and verify their size."""
    renditions: dict[str, list[Rendition]] = {}
    for path in await ports.store.paths(""):
        name = read_object_path(path)
        if name is None:
            continue
        generation_id, size = name
        try:
            data = await ports.store.get(path)
            inspection = await ports.imaging.inspect(data)
        except StillsError:
            continue
        if inspection.size == size:
            renditions.setdefault(generation_id, []).append(
                Rendition(generation_id, size, inspection.sha256, len(data), path)
            )
    return renditions
