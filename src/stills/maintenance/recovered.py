"""What recover and rebuild share: images found by their sidecars."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from stills.contract.errors import StillsError
from stills.contract.generation import Generation
from stills.contract.ports.store import Store
from stills.contract.upkeep import Recovered
from stills.maintenance.at_once import do_several
from stills.pipeline.adopt import adopt
from stills.pipeline.ports import Ports
from stills.pipeline.render import native_rendition
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_sidecar, read_store_id


async def try_to_adopt(ports: Ports, generation_id: str) -> Recovered | None:
    """Add a generation in the store or the spool to the catalog; None if it is in neither."""
    try:
        adopted = await adopt(ports, generation_id)
        if adopted is None:
            return None
        await list_image(ports, adopted)
    except StillsError as error:
        return failed(generation_id, error)
    return Recovered(generation_id, kept=True)


async def list_image(ports: Ports, generation: Generation) -> None:
    """Make an image appear in the list of images before it is requested again."""
    await ports.catalog.adopt(generation, [native_rendition(generation)])


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A valid sidecar: its generation, and the id of the store to which the image belongs."""

    generation: Generation
    store_id: str | None


async def read_sidecars(store: Store) -> AsyncGenerator[Sidecar | Recovered]:
    """Read every valid sidecar, or the outcome for one that can't be read.

    Raises:
        StoreRefused: the store can't be listed.
    """

    async def read(path: str) -> Sidecar | Recovered | None:
        try:
            written = await store.get(path)
        except StillsError as error:
            generation_id = path.removeprefix(f"{SIDECAR_FOLDER}/").removesuffix(".json")
            return Recovered(generation_id, kept=False, reason=error.message)
        generation = read_sidecar(written)
        return None if generation is None else Sidecar(generation, read_store_id(written))

    async with aclosing(store.pages(SIDECAR_FOLDER)) as pages:
        async for page in pages:
            for sidecar in await do_several(read, sorted(page)):
                if sidecar is not None:
                    yield sidecar


def failed(generation_id: str, error: StillsError) -> Recovered:
    """Return the outcome for a generation that is still not stored because of an error."""
    return Recovered(generation_id, kept=False, reason=f"{error.message}. {error.action}")
