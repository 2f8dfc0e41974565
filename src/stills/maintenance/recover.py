"""Recover: finish interrupted images that are paid for. It is free: nothing is sent."""

from stills.contract.errors import StillsError
from stills.contract.generation import CatalogHit, Claim, Generation, Held, Stage
from stills.contract.money import Caps
from stills.maintenance.recovered import (
    Recovered,
    failed,
    list_image,
    read_sidecars,
    try_to_adopt,
)
from stills.pipeline.fetch import LinkExpired, fetch_paid
from stills.pipeline.keep import keep_image
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports
from stills.pipeline.send import is_paid

_EXPIRED = "its link expired before it was downloaded"
_CUT_OFF = "cut off after it was sent: possibly billed, and no image came"


async def recover(ports: Ports, policy: Policy) -> list[Recovered]:
    """Finish every generation that is paid for but not stored.

    Raises:
        StorageError: the catalog or the spool can't be used at all.
    """
    outcomes = {
        unfinished.id: await _finish(ports, policy, unfinished)
        for unfinished in await ports.catalog.list_unfinished()
    }
    spooled, unreadable = await read_sidecars(ports.spool)
    for generation in spooled:
        # Several catalogs may share a spool. Images that this one never sent belong to another.
        if generation.id not in outcomes and await ports.catalog.list_sends(generation.id):
            outcome = await try_to_adopt(ports, generation.id)
            if outcome is not None:
                outcomes[generation.id] = outcome
    for generation_id in await ports.catalog.settle_paid():
        outcomes.setdefault(generation_id, Recovered(generation_id, kept=True))
    return [*outcomes.values(), *unreadable]


async def _finish(ports: Ports, policy: Policy, generation: Generation) -> Recovered:
    if generation.stage is not Stage.SPOOLED:
        adopted = await try_to_adopt(ports, generation.id)
        if generation.stage is Stage.SENT:
            return adopted or Recovered(generation.id, kept=False, reason=_CUT_OFF)
        if adopted is not None and adopted.kept:
            return adopted
    provider = generation.spec.provider
    if generation.stage is Stage.ANSWERED and provider != ports.provider.name:
        reason = f"to be downloaded from {provider}: run again with its key set"
        return Recovered(generation.id, kept=False, reason=reason)
    return await _fetch_and_keep(ports, policy, generation)


async def _fetch_and_keep(ports: Ports, policy: Policy, generation: Generation) -> Recovered:
    claim = await ports.catalog.claim(
        generation.spec,
        generation.spec.native_size,
        lease_seconds=policy.lease_seconds,
        fresh=False,
        caps=Caps(),
    )
    if isinstance(claim, Held):
        reason = f"process {claim.pid} on {claim.host} is working on it"
        return Recovered(generation.id, kept=False, reason=reason)
    try:
        # This one is paid for too, even if another image was made for its key meanwhile.
        if isinstance(claim, CatalogHit) or claim.generation.stage is not Stage.CLAIMED:
            if is_paid(generation):
                kept = await keep_image(ports, *await fetch_paid(ports, policy, generation))
                await list_image(ports, kept)
            return Recovered(generation.id, kept=True)
    except LinkExpired:
        return Recovered(generation.id, kept=False, reason=_EXPIRED)
    except StillsError as error:
        return failed(generation.id, error)
    finally:
        if isinstance(claim, Claim):
            await ports.catalog.release(claim)
    return Recovered(generation.id, kept=False, reason=_EXPIRED)
