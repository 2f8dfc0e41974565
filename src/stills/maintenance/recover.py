"""Recover: finish what was paid for and interrupted, and take in what the catalog has lost."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from stills.contract.errors import StillsError, StoreRefused
from stills.contract.generation import CatalogHit, Claim, Generation, Held, Rendition, Stage
from stills.contract.money import Caps
from stills.contract.ports.store import Store
from stills.pipeline.adopt import adopt
from stills.pipeline.fetch import LinkExpired, fetch_paid
from stills.pipeline.keep import keep_image
from stills.pipeline.object_names import read_object_path
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.render import native_rendition
from stills.pipeline.send import is_paid
from stills.pipeline.sidecar import SIDECAR_FOLDER, read_sidecar, read_store_id

_EXPIRED = "its link expired before it was downloaded"
_CUT_OFF = "cut off after it was sent: possibly billed, and no image came"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one generation: its id, whether it is kept now, and if not, why."""

    generation_id: str
    kept: bool
    reason: str = ""


async def recover(ports: Ports, policy: Policy) -> list[Recovered]:
    """Finish every generation that is paid for but not kept; nothing is sent.

    Raises:
        StorageError: catalog or spool can't be used at all.
    """
    outcomes = {
        left.id: await _finish(ports, policy, left)
        for left in await ports.catalog.list_unfinished()
    }
    spooled, unreadable = await _read_all_facts(ports.spool)
    for generation in spooled:
        # One spool may serve many catalogs: what was never sent for here is another's.
        if generation.id not in outcomes and await ports.catalog.list_sends(generation.id):
            outcome = await _adopt(ports, generation.id)
            if outcome.reason != _CUT_OFF:
                outcomes[generation.id] = outcome
    for generation_id in await ports.catalog.settle_paid():
        outcomes.setdefault(generation_id, Recovered(generation_id, kept=True))
    return [*outcomes.values(), *unreadable]


async def rebuild(ports: Ports) -> tuple[str | None, list[Recovered]]:
    """Take every image of the store that has a sidecar and is whole into the catalog.

    So is what the spool has for this store. A damaged catalog is set aside first; returns its new
    path, None if it was sound, and what was taken in or could not be.

    Raises:
        StoreRefused: the store is missing, can't be read or has no sidecar; the catalog is as it
            was.
        CatalogError: the catalog can't be used.
    """
    stored, unreadable = await _read_all_facts(ports.store)
    if not stored:
        # This is also what a disk that isn't mounted looks like.
        raise StoreRefused(
            f"there is no image to rebuild the catalog from: {ports.store.url(SIDECAR_FOLDER)} is "
            "missing or has no sidecar that can be read; the catalog is unchanged",
            action="Mount the store's disk or correct STILLS_STORE, then run it again.",
        )
    renditions = await _find_renditions(ports)
    aside = await ports.catalog.set_aside_if_damaged()
    taken_in = await _take_in(ports, stored, renditions)
    with suppress(StoreRefused):  # it can be read, and that is enough here
        await ports.marker.accept()
    return aside, [*taken_in, *await _take_in_spooled(ports), *unreadable]


async def _take_in_spooled(ports: Ports) -> list[Recovered]:
    """Store what the spool has for this store, or what does not say for which store it is.

    One spool may serve many catalogs: the rest is for the stores of others.
    """
    outcomes = []
    store_id = await ports.marker.read_id()
    for path in await ports.spool.paths(SIDECAR_FOLDER):
        try:
            sidecar = await ports.spool.get(path)
        except StillsError as error:
            outcomes.append(_unreadable(path, error))
            continue
        generation = read_sidecar(sidecar)
        if generation is None:
            continue
        is_ours = read_store_id(sidecar) in (None, store_id)
        if is_ours or await ports.catalog.list_sends(generation.id):
            outcome = await _adopt(ports, generation.id)
            if outcome.reason != _CUT_OFF:
                outcomes.append(outcome)
    return outcomes


async def _take_in(
    ports: Ports, stored: list[Generation], renditions: Mapping[str, Sequence[Rendition]]
) -> list[Recovered]:
    outcomes = []
    for generation in sorted(stored, key=lambda g: g.created_at):
        try:
            inspection = await ports.imaging.inspect(
                await ports.store.get(generation.object_path or "")
            )
        except StillsError as error:
            outcomes.append(Recovered(generation.id, kept=False, reason=error.message))
            continue
        if inspection.sha256 != generation.sha256:
            reason = "the image is not the one its facts tell of"
            outcomes.append(Recovered(generation.id, kept=False, reason=reason))
        elif await ports.catalog.adopt(generation, renditions.get(generation.id, [])):
            outcomes.append(Recovered(generation.id, kept=True))
    return outcomes


async def _finish(ports: Ports, policy: Policy, left: Generation) -> Recovered:
    """Bring one unfinished generation on, if that costs nothing."""
    if left.stage is not Stage.SPOOLED:
        adopted = await _adopt(ports, left.id)
        if adopted.kept or left.stage is Stage.SENT:
            return adopted
    if left.stage is Stage.ANSWERED and left.spec.provider != ports.provider.name:
        reason = f"to be downloaded from {left.spec.provider}: run again with its key set"
        return Recovered(left.id, kept=False, reason=reason)
    return await _resume(ports, policy, left)


async def _adopt(ports: Ports, generation_id: str) -> Recovered:
    try:
        adopted = await adopt(ports, generation_id)
        if adopted is not None:
            await _list(ports, adopted)
            return Recovered(generation_id, kept=True)
    except StillsError as error:
        return Recovered(generation_id, kept=False, reason=f"{error.message}. {error.action}")
    return Recovered(generation_id, kept=False, reason=_CUT_OFF)


async def _resume(ports: Ports, policy: Policy, left: Generation) -> Recovered:
    claim = await ports.catalog.claim(
        left.spec,
        left.spec.native_size,
        lease_seconds=policy.lease_seconds,
        fresh=False,
        caps=Caps(),
    )
    if isinstance(claim, Held):
        reason = f"process {claim.pid} on {claim.host} is working on it"
        return Recovered(left.id, kept=False, reason=reason)
    try:
        # Whatever answers for its key by now, this one is paid for as well.
        if isinstance(claim, CatalogHit) or claim.generation.stage is not Stage.CLAIMED:
            if is_paid(left):
                kept = await keep_image(ports, *await fetch_paid(ports, policy, left))
                await _list(ports, kept)
            return Recovered(left.id, kept=True)
    except LinkExpired:
        return Recovered(left.id, kept=False, reason=_EXPIRED)
    except StillsError as error:
        return Recovered(left.id, kept=False, reason=f"{error.message}. {error.action}")
    finally:
        if isinstance(claim, Claim):
            await ports.catalog.release(claim)
    return Recovered(left.id, kept=False, reason=_EXPIRED)


async def _list(ports: Ports, generation: Generation) -> None:
    """Have an image that nobody asked for since in the list of what is kept."""
    await ports.catalog.adopt(generation, [native_rendition(generation)])


async def _read_all_facts(store: Store) -> tuple[list[Generation], list[Recovered]]:
    """Read every sidecar; returns what they describe, and those that the store can't read.

    Raises:
        StoreRefused: the store can't be listed.
    """
    read, unreadable = [], []
    for path in await store.paths(SIDECAR_FOLDER):
        try:
            generation = read_sidecar(await store.get(path))
        except StillsError as error:
            unreadable.append(_unreadable(path, error))
            continue
        if generation is not None:
            read.append(generation)
    return read, unreadable


def _unreadable(sidecar_path: str, error: StillsError) -> Recovered:
    generation_id = sidecar_path.removeprefix(f"{SIDECAR_FOLDER}/").removesuffix(".json")
    return Recovered(generation_id, kept=False, reason=error.message)


async def _find_renditions(ports: Ports) -> dict[str, list[Rendition]]:
    """Read renditions off the names and bytes in the store, by generation id."""
    found: dict[str, list[Rendition]] = {}
    for path in await ports.store.paths(""):
        named = read_object_path(path)
        if named is None:
            continue
        generation_id, size = named
        try:
            data = await ports.store.get(path)
            inspection = await ports.imaging.inspect(data)
        except StillsError:
            continue
        if inspection.size == size:
            found.setdefault(generation_id, []).append(
                Rendition(generation_id, size, inspection.sha256, len(data), path)
            )
    return found
