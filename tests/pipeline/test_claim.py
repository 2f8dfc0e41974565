"""The heartbeat of a claim, on a simulated clock."""

import asyncio
import logging
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.support.simulated_clock import run

from stills.contract.errors import CatalogError
from stills.contract.generation import CatalogHit, Claim, Generation, Held, Rendition, Stage
from stills.contract.money import Caps
from stills.contract.size import Size
from stills.pipeline.claim import claim
from stills.pipeline.context import Deadline, Job, Options, Plan
from stills.pipeline.policy import Policy

LEASE_SECONDS = 30.0
CLAIM = Claim("key", "token", Generation("id", spec=None, stage=Stage.CLAIMED, created_at=0.0))

OPTIONS = Options("m")
HELD = Held("another-machine", 7, since=0.0)


class Catalog:
    """A catalog that fails on request, and records when the lease was renewed."""

    def __init__(self, *outcomes: bool | Exception, lease_seconds: float = LEASE_SECONDS) -> None:
        self._outcomes = iter(outcomes)
        self.lease_seconds = lease_seconds
        self.tried: list[float] = []
        self.renewed: list[float] = [0.0]
        self.released = 0
        self.asked = self.held_times = 0

    async def claim(self, *_, **__) -> Claim | Held:
        self.asked += 1
        return HELD if self.asked <= self.held_times else CLAIM

    async def wait_until_free(self, _: str, *, poll_seconds: float) -> None:
        await asyncio.sleep(poll_seconds)

    async def renew(self, claim: Claim, *, lease_seconds: float) -> bool:
        assert (claim, lease_seconds) == (CLAIM, self.lease_seconds)
        now = asyncio.get_running_loop().time()
        self.tried.append(now)
        outcome = next(self._outcomes, True)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome:
            self.renewed.append(now)
        return outcome

    async def release(self, _: Claim) -> None:
        self.released += 1

    @property
    def longest_gap_seconds(self) -> float:
        return max(b - a for a, b in zip(self.renewed, self.renewed[1:], strict=False))


def job_on(catalog: Catalog, options: Options = OPTIONS) -> Job:
    return Job(
        request=None,
        model=None,
        options=options,
        ports=SimpleNamespace(catalog=catalog),
        policy=Policy(lease_seconds=catalog.lease_seconds),
        caps=Caps(),
        limiter=None,
        render=None,
        load_reference=None,
        deadline=Deadline(math.inf),
        plan=Plan(spec=SimpleNamespace(key="key"), provider_request=None, size=None),
    )


def work(catalog: Catalog, *, seconds: float) -> None:
    """Hold a claim for some time."""

    async def main() -> None:
        async with claim(job_on(catalog)):
            await asyncio.sleep(seconds)

    run(main)


def test_a_claim_is_renewed_often_enough_to_miss_two_beats():
    """Three times in each lease, while the work lasts."""
    catalog = Catalog()
    work(catalog, seconds=10 * LEASE_SECONDS)
    assert len(catalog.renewed) >= 30
    assert catalog.longest_gap_seconds <= LEASE_SECONDS / 3


@pytest.mark.parametrize("error", [CatalogError("disk full"), ValueError("a bug")], ids=str)
@pytest.mark.parametrize("failures", [1, 2, 10])
def test_a_beat_that_failed_is_repeated_each_second(failures: int, error: Exception):
    """The lease does not expire if the catalog can't be written for a while."""
    catalog = Catalog(*(error for _ in range(failures)), True)
    work(catalog, seconds=10 * LEASE_SECONDS)
    assert catalog.longest_gap_seconds < 2 / 3 * LEASE_SECONDS + 1e-6
    steady = [b - a for a, b in zip(catalog.renewed[1:], catalog.renewed[2:], strict=False)]
    assert min(steady) == pytest.approx(LEASE_SECONDS / 3)  # as before, once it works again


def test_a_failed_beat_of_a_short_lease_is_repeated_before_it_ends():
    """A whole second would be too late."""
    catalog = Catalog(CatalogError("disk full"), lease_seconds=1.2)
    work(catalog, seconds=10.0)
    assert catalog.longest_gap_seconds < catalog.lease_seconds


def test_a_lost_claim_is_not_renewed():
    """The work continues, because it may be paid for."""
    catalog = Catalog(True, False)
    work(catalog, seconds=10 * LEASE_SECONDS)
    assert len(catalog.tried) == 2


def test_the_heartbeat_stops_with_the_work():
    """Whether it was stored, failed or was cancelled."""
    catalog = Catalog()

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with claim(job_on(catalog)):
                raise ZeroDivisionError
        working = asyncio.create_task(hold(catalog))
        await asyncio.sleep(LEASE_SECONDS)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        async with claim(job_on(catalog)):
            pass
        beats = len(catalog.tried)
        await asyncio.sleep(10 * LEASE_SECONDS)
        assert (len(catalog.tried), catalog.released) == (beats, 2)

    async def hold(catalog: Catalog) -> None:
        async with claim(job_on(catalog)):
            await asyncio.sleep(10 * LEASE_SECONDS)

    run(main)


def test_a_claim_that_another_holds_is_asked_for_again_after_a_pause():
    """Meanwhile the job's deadline names the holder; afterwards it does not."""
    catalog = Catalog()
    catalog.held_times = 10

    async def main() -> None:
        job = job_on(catalog)
        waiting = asyncio.create_task(hold(job))
        await asyncio.sleep(job.policy.poll_interval_seconds / 4)
        assert (catalog.asked, job.deadline.held) == (1, HELD)
        started = asyncio.get_running_loop().time()
        await waiting
        waited_seconds = asyncio.get_running_loop().time() - started
        assert catalog.asked == 11
        assert waited_seconds >= 9 * job.policy.poll_interval_seconds

    async def hold(job: Job) -> None:
        async with claim(job):
            assert job.deadline.held is None

    run(main)


@pytest.mark.parametrize(
    ("left", "reached"),
    [
        (Stage.CLAIMED, [Stage.CLAIMED]),
        (Stage.SENT, [Stage.CLAIMED]),
        (Stage.ANSWERED, [Stage.CLAIMED, Stage.ANSWERED]),
        (Stage.SPOOLED, [Stage.CLAIMED, Stage.SPOOLED]),
    ],
)
def test_the_caller_learns_of_the_claim_and_of_an_image_that_is_paid_for(
    left: Stage, reached: list[Stage]
):
    """An interrupted call may have to be sent again, so it is not reported as sent."""
    taken = replace(CLAIM, generation=replace(CLAIM.generation, stage=left))
    reported: list[Stage] = []

    class Interrupted(Catalog):
        async def claim(self, *_, **__) -> Claim:
            return taken

    async def main() -> None:
        async with claim(job_on(Interrupted(), replace(OPTIONS, on_stage=reported.append))):
            pass

    run(main)
    assert reported == reached


def test_waiting_for_another_process_is_logged_once(caplog: pytest.LogCaptureFixture):
    """With the process to look at; the catalog is asked again many times."""
    catalog = Catalog()
    catalog.held_times = 10
    with caplog.at_level(logging.INFO, "stills"):
        work(catalog, seconds=1.0)
    (record,) = caplog.records
    assert record.getMessage().endswith("from process 7 on another-machine")


def test_an_image_that_another_process_made_meanwhile_needs_no_claim():
    """Nothing is renewed or released."""
    rendition = Rendition("id", Size(512, 512), "0" * 64, 9, "a.png")

    class Made(Catalog):
        async def claim(self, *_, **__) -> CatalogHit:
            return CatalogHit(CLAIM.generation, rendition)

    catalog = Made()

    async def main() -> None:
        async with claim(job_on(catalog)) as job:
            await asyncio.sleep(10 * LEASE_SECONDS)
            assert (job.claim, job.generation) == (None, CLAIM.generation)
            assert job.rendition == rendition

    run(main)
    assert (catalog.tried, catalog.released) == ([], 0)


def test_a_claim_leaves_no_task_behind():
    """A closed catalog would fail its heartbeat."""

    async def main() -> None:
        async with claim(job_on(Catalog())):
            pass
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


def test_a_release_ends_although_its_caller_is_cancelled_again():
    """Impatient users press Ctrl-C twice, and others may be waiting for the key."""

    class Slow(Catalog):
        async def release(self, claim: Claim) -> None:
            await asyncio.sleep(1.0)
            await super().release(claim)

    catalog = Slow()

    async def main() -> None:
        working = asyncio.create_task(hold())
        await asyncio.sleep(1.0)
        working.cancel()
        await asyncio.sleep(0.5)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await asyncio.sleep(1.0)
        assert catalog.released == 1

    async def hold() -> None:
        async with claim(job_on(catalog)):
            await asyncio.sleep(10 * LEASE_SECONDS)

    run(main)
