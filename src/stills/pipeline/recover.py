"""Recover: finish what was paid for and interrupted, and take in what the catalog has lost."""

from dataclasses import dataclass

from stills.contract.errors import StillsError
from stills.contract.generation import Claim, Generation, Rendition, Stage
from stills.contract.money import Caps
from stills.contract.ports import Store
from stills.pipeline.draw import resume
from stills.pipeline.facts import FACTS_FOLDER, facts_path, read_facts
from stills.pipeline.keep import keep
from stills.pipeline.names import read_object_path
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports


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
    outcomes = [await _finish(ports, policy, left) for left in await ports.catalog.unfinished()]
    done = {outcome.generation_id for outcome in outcomes if outcome.kept}
    for generation in await _read_all_facts(ports.spool):
        if generation.id not in done and await _adopt_spooled(ports, generation):
            outcomes.append(Recovered(generation.id, kept=True))
            done.add(generation.id)
    return [outcome for outcome in outcomes if outcome.kept or outcome.generation_id not in done]


async def rebuild(ports: Ports) -> list[Recovered]:
    """Take every image of the store that has facts, and is whole, into the catalog.

    Raises:
        StorageError: catalog or store can't be used at all.
    """
    renditions = await _find_renditions(ports)
    outcomes = []
    for generation in sorted(await _read_all_facts(ports.store), key=lambda g: g.created_at):
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
    if left.stage is Stage.SENT:
        if await _adopt_stored(ports, left):
            return Recovered(left.id, kept=True)
        reason = "cut off after it was sent: possibly billed, and no image came"
    elif left.stage is Stage.ANSWERED and left.draft.provider != ports.provider.name:
        reason = f"to be downloaded from {left.draft.provider}: run again with its key set"
    else:
        return await _resume(ports, policy, left)
    return Recovered(left.id, kept=False, reason=reason)


async def _resume(ports: Ports, policy: Policy, left: Generation) -> Recovered:
    claim = await ports.catalog.claim(
        left.draft,
        left.draft.native_size,
        lease_seconds=policy.lease_seconds,
        fresh=False,
        caps=Caps(),
    )
    if not isinstance(claim, Claim):
        return Recovered(left.id, kept=False, reason="another process works on it, or has made it")
    try:
        kept = await resume(ports, policy, claim.generation)
    except StillsError as error:
        return Recovered(left.id, kept=False, reason=f"{error.message}. {error.action}")
    finally:
        await ports.catalog.release(claim)
    if kept:
        return Recovered(claim.generation.id, kept=True)
    return Recovered(left.id, kept=False, reason="its link expired before it was downloaded")


async def _adopt_stored(ports: Ports, left: Generation) -> bool:
    """Take in an image that reached the store while the catalog could not be written."""
    path = facts_path(left.id)
    if path not in await ports.store.paths(FACTS_FOLDER):
        return False
    generation = read_facts(await ports.store.get(path))
    if generation is None or not await ports.store.exists(generation.object_path or ""):
        return False
    return await ports.catalog.adopt(generation, [])


async def _adopt_spooled(ports: Ports, generation: Generation) -> bool:
    """Bring an image out of the spool into the store, and into the catalog."""
    spool_path = generation.object_path or ""
    data = await ports.spool.get(spool_path)
    inspection = await ports.imaging.inspect(data)
    if inspection.sha256 != generation.sha256:
        return False
    await ports.catalog.adopt(generation, [])
    await keep(ports, generation, data, inspection)
    await ports.spool.delete(spool_path)
    await ports.spool.delete(facts_path(generation.id))
    return True


async def _read_all_facts(store: Store) -> list[Generation]:
    read = [read_facts(await store.get(path)) for path in await store.paths(FACTS_FOLDER)]
    return [generation for generation in read if generation is not None]


async def _find_renditions(ports: Ports) -> dict[str, list[Rendition]]:
    """Read renditions off the names and bytes in the store, by generation id."""
    found: dict[str, list[Rendition]] = {}
    for path in await ports.store.paths(""):
        named = read_object_path(path)
        if named is None:
            continue
        generation_id, size = named
        data = await ports.store.get(path)
        try:
            inspection = await ports.imaging.inspect(data)
        except StillsError:
            continue
        if inspection.size == size:
            found.setdefault(generation_id, []).append(
                Rendition(generation_id, size, inspection.sha256, len(data), path)
            )
    return found
