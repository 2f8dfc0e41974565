"""What recover and rebuild share: outcomes, and images found by their sidecars."""

from dataclasses import dataclass

from stills.contract.errors import StillsError
from stills.contract.generation import Generation
from stills.contract.ports.store import Store
from stills.pipeline.adopt import adopt
from stills.pipeline.ports import Ports
from stills.pipeline.render import native_rendition
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_sidecar


@dataclass(frozen=True, slots=True)
class Recovered:
    """The outcome for one generation: its id, whether it is stored now, and if not, why."""

    generation_id: str
    kept: bool
    reason: str = ""


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


async def read_sidecars(store: Store) -> tuple[list[Generation], list[Recovered]]:
    """Read every sidecar; returns the generations, and the sidecars that can't be read.

    Raises:
        StoreRefused: the store can't be listed.
    """
    generations, unreadable = [], []
    for path in await store.paths(SIDECAR_FOLDER):
        try:
            generation = read_sidecar(await store.get(path))
        except StillsError as error:
            unreadable.append(unreadable_sidecar(path, error))
            continue
        if generation is not None:
            generations.append(generation)
    return generations, unreadable


def failed(generation_id: str, error: StillsError) -> Recovered:
    """Return the outcome for a generation that is still not stored because of an error."""
    return Recovered(generation_id, kept=False, reason=f"{error.message}. {error.action}")


def unreadable_sidecar(path: str, error: StillsError) -> Recovered:
    """Return the outcome for a generation whose sidecar can't be read."""
    generation_id = path.removeprefix(f"{SIDECAR_FOLDER}/").removesuffix(".json")
    return Recovered(generation_id, kept=False, reason=error.message)
