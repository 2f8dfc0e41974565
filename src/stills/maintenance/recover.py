"""Recover: finish interrupted images that are paid for or being made. It sends no paid call."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace

from stills.contract.errors import StillsError
from stills.contract.generation import (
    Claim,
    Generation,
    Held,
    Settlement,
    Stage,
    Task,
)
from stills.contract.money import Caps
from stills.contract.upkeep import OnProgress, Recovered
from stills.maintenance.at_once import do_several
from stills.maintenance.recovered import failed, list_image, read_sidecars, try_to_adopt
from stills.pipeline.fetch import LinkExpired, fetch_paid
from stills.pipeline.follow import wait_for_end
from stills.pipeline.journal import journal
from stills.pipeline.keep import keep_image
from stills.pipeline.policy import Policy
from stills.pipeline.ports import Ports

_EXPIRED = "its link expired before it was downloaded"
_STILL_RUNNING = "the service is still working on it: run `stills recover` again later"
_CUT_OFF = "cut off after it was sent: possibly billed, and no image came"


async def recover(
    ports: Ports, policy: Policy, on_progress: OnProgress = lambda _: None
) -> list[Recovered]:
    """Finish every generation that is paid for but not stored.

    Those that the service still works on come last, and are awaited for the time of one request.

    Raises:
        StorageError: the catalog or the spool can't be used at all.
    """
    recovery = _Recovery(ports, policy, on_progress)
    for is_slow in (False, True):
        await recovery.finish_interrupted(is_slow=is_slow)
    unreadable = await recovery.adopt_spooled()
    for generation_id in await ports.catalog.settle_paid():
        recovery.outcomes.setdefault(generation_id, Recovered(generation_id, kept=True))
    return [*recovery.outcomes.values(), *unreadable]


class _Recovery:
    """The outcomes so far, by generation."""

    def __init__(self, ports: Ports, policy: Policy, on_progress: OnProgress) -> None:
        self.outcomes: dict[str, Recovered] = {}
        self._ports, self._policy = ports, policy
        self._until = asyncio.get_running_loop().time() + policy.deadline_seconds
        self._on_progress = on_progress
        self._finished = 0

    async def finish_interrupted(self, *, is_slow: bool) -> None:
        """Finish what is in the catalog: what the service still works on if it `is_slow`."""
        async for page in _list_unfinished(self._ports):
            chosen = [one for one in page if (one.task is not None) is is_slow]
            for finished in await do_several(self._finish, _group_by_key(chosen)):
                self.outcomes |= {outcome.generation_id: outcome for outcome in finished}

    async def adopt_spooled(self) -> list[Recovered]:
        """Store what else is in the spool; returns the outcomes for sidecars that can't be read."""
        unreadable: list[Recovered] = []
        found: list[str] = []
        async for sidecar in read_sidecars(self._ports.spool):
            if isinstance(sidecar, Recovered):
                unreadable.append(sidecar)
            elif sidecar.generation.id not in self.outcomes:
                found.append(sidecar.generation.id)
        for outcome in await do_several(self._adopt, found):
            if outcome is not None:
                self.outcomes[outcome.generation_id] = outcome
        return unreadable

    async def _finish(self, generations: Sequence[Generation]) -> list[Recovered]:
        return [
            self._count(await _finish(self._ports, self._policy, one, self._until))
            for one in generations
        ]

    async def _adopt(self, generation_id: str) -> Recovered | None:
        # Several catalogs may share a spool. Images that this one never sent belong to another.
        if not await self._ports.catalog.list_sends(generation_id):
            return None
        outcome = await try_to_adopt(self._ports, generation_id)
        return None if outcome is None else self._count(outcome)

    def _count(self, outcome: Recovered) -> Recovered:
        self._finished += 1
        self._on_progress(self._finished)
        return outcome


async def _list_unfinished(ports: Ports) -> AsyncGenerator[Sequence[Generation]]:
    after: str | None = None
    while page := await ports.catalog.list_unfinished(after=after):
        yield page
        after = page[-1].id


def _group_by_key(generations: Sequence[Generation]) -> Iterable[Sequence[Generation]]:
    """Group generations: only one of a key can be claimed at a time."""
    groups: dict[str, list[Generation]] = {}
    for generation in generations:
        groups.setdefault(generation.spec.key, []).append(generation)
    return groups.values()


async def _finish(ports: Ports, policy: Policy, generation: Generation, until: float) -> Recovered:
    if generation.stage is not Stage.SPOOLED:
        adopted = await try_to_adopt(ports, generation.id)
        if adopted is not None and (adopted.kept or generation.stage is Stage.SENT):
            return adopted
        if generation.stage is Stage.SENT and generation.task is None:
            return Recovered(generation.id, kept=False, reason=_CUT_OFF)
        if generation.spec.provider != ports.provider.name:
            reason = f"to be downloaded from {generation.spec.provider}: run again with its key set"
            return Recovered(generation.id, kept=False, reason=reason)
    return await _claim_and_keep(ports, policy, generation, until)


async def _claim_and_keep(
    ports: Ports, policy: Policy, generation: Generation, until: float
) -> Recovered:
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
    reason = ""
    try:
        # This one is paid for too, even if another image was made for its key meanwhile.
        await _keep(ports, policy, generation, until)
    except TimeoutError:
        reason = _STILL_RUNNING
    except LinkExpired:
        reason = _EXPIRED
    except StillsError as error:
        return failed(generation.id, error)
    finally:
        if isinstance(claim, Claim):
            await ports.catalog.release(claim)
    return Recovered(generation.id, kept=not reason, reason=reason)


async def _keep(ports: Ports, policy: Policy, generation: Generation, until: float) -> None:
    """Get the image of a generation and store it.

    Raises:
        TimeoutError: the service is still making it.
        StillsError: there is none, or it can't be stored or downloaded.
        LinkExpired: it can't be downloaded any more.
    """
    if generation.task is not None:
        generation = await _wait(ports, policy, generation, generation.task, until)
    kept = await keep_image(ports, *await fetch_paid(ports, policy, generation))
    await list_image(ports, kept)


async def _wait(
    ports: Ports, policy: Policy, generation: Generation, task: Task, until: float
) -> Generation:
    """Wait for the end of a task, and journal it; returns the generation with its answer.

    Raises:
        TimeoutError: the task has not ended.
        StillsError: it made no image, or can't be asked for.
    """
    async with asyncio.timeout_at(until):
        outcome = await wait_for_end(ports, policy, generation, task)
    if isinstance(outcome, StillsError):
        settlement = Settlement(outcome.billing, outcome.code, outcome.request_id)
        await ports.catalog.settle_send(task.send, settlement)
        raise outcome
    await journal(ports.catalog, generation.id, outcome, task.send)
    return replace(generation, stage=Stage.ANSWERED, task=None, answer=outcome)
