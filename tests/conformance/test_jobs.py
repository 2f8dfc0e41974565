"""What every adapter of the port Jobs promises, on SQLite and on Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.support.image_results import image_result

from stills.contract.access import BudgetOwner
from stills.contract.errors import Billing, Conflict, InvalidRequest
from stills.contract.jobs import (
    Job,
    JobPart,
    JobShot,
    JobSpec,
    JobState,
    NeededShot,
    ShotEnd,
)
from stills.contract.outcome import Failure
from stills.contract.ports.jobs import Jobs, WorkOptions
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.jobs import DbosJobs
from stills.jobs.database import Database

SPEC = JobSpec(model="qwen-image-max", provider="sandbox")
OPTIONS = WorkOptions(provider="sandbox", silent_seconds=6.0)
FAILURE = Failure("content_refused", "refused", "Rephrase.", False, Billing.NONE, "r-1")


def make_shots(count: int, **facts: object) -> list[JobShot]:
    return [
        JobShot(f"s{number}", ImageRequest(prompt=f"kite {number}", size="1024*1024"), **facts)
        for number in range(count)
    ]


def make_result(shot_id: str, *, cached: bool = False) -> ImageResult:
    return image_result(
        image_url=f"file:///{shot_id}.png",
        width=1024,
        height=1024,
        id=f"{shot_id}-1024x1024",
        cached=cached,
        notes=("a note",),
    )


async def make_all(part: JobPart, *, on_end, **_: object) -> Failure | None:
    await on_end([ShotEnd(one.position, make_result(one.shot.id)) for one in part.shots])
    return None


@pytest.fixture(params=["sqlite", "postgres"])
async def jobs(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Jobs]:
    """The adapter on a new database."""
    is_file = request.param == "sqlite"
    location = tmp_path / "new" / "jobs.db" if is_file else request.getfixturevalue("postgres_url")
    opened = DbosJobs(location)
    yield opened
    await opened.close()


@asynccontextmanager
async def working(jobs: Jobs, run: Callable = make_all) -> AsyncIterator[asyncio.Event]:
    """Work in the background; yields the event that stops it."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(jobs.work(run, OPTIONS, stop=stop, ready=ready))
    try:
        await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when="FIRST_COMPLETED")
        if task.done():
            await task  # it failed, and nobody would make the shots
        yield stop
    finally:
        stop.set()
        await task


async def ended(jobs: Jobs, job: Job) -> Job:
    while (now := await jobs.status(job.id)) is not None and now.state.is_active:
        await asyncio.sleep(0.1)
    assert now is not None
    return now


async def test_a_submitted_job_waits_with_its_shots(jobs: Jobs):
    """It comes back with what it was submitted with, and no shot has ended."""
    shots = make_shots(3, about={"source": "a.csv:1"})
    spec = JobSpec(
        "m", "sandbox", BudgetOwner("alice", 2.0), "film", 1.5, {"title": "t"}, "https://a"
    )
    job = await jobs.submit(spec, shots)
    assert (job.state, job.spec, job.counts.total, job.counts.left) == (JobState.QUEUED, spec, 3, 3)
    assert await jobs.status(job.id) == job == await jobs.find("film", owner="alice")
    results = await jobs.results(job.id)
    assert [(one.position, one.shot, one.result, one.failure) for one in results] == [
        (position, shot, None, None) for position, shot in enumerate(shots)
    ]


async def test_shots_come_from_any_iterator(jobs: Jobs):
    """An asynchronous one is read as it comes."""

    async def each() -> AsyncIterator[JobShot]:
        for shot in make_shots(200):
            await asyncio.sleep(0)
            yield shot

    job = await jobs.submit(SPEC, each())
    assert job.counts.total == 200
    pages = [await jobs.results(job.id, after=after, limit=90) for after in (-1, 89, 179, 199)]
    assert [one.position for page in pages for one in page] == list(range(200))
    assert [len(page) for page in pages] == [90, 90, 20, 0]


async def test_the_same_list_of_one_name_is_one_job(jobs: Jobs):
    """Another list of that name is refused; another owner's names are others."""
    spec = JobSpec("m", "sandbox", name="film")
    job = await jobs.submit(spec, make_shots(20))
    assert (await jobs.submit(spec, make_shots(20))).id == job.id
    with pytest.raises(Conflict):
        await jobs.submit(spec, make_shots(21))
    alice = JobSpec("m", "sandbox", BudgetOwner("alice"), name="film")
    assert (await jobs.submit(alice, make_shots(21))).id != job.id
    assert len(await jobs.list()) == 2


async def test_an_interrupted_submission_leaves_no_job(jobs: Jobs):
    """Whether the list is empty, wrong or breaks off."""

    def breaks():
        yield from make_shots(1000)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await jobs.submit(SPEC, breaks())
    with pytest.raises(InvalidRequest, match="no shot"):
        await jobs.submit(SPEC, [])
    with pytest.raises(InvalidRequest, match="does not come before"):
        await jobs.submit(SPEC, make_shots(1, references=(NeededShot("later"),)))
    assert not await jobs.list()


async def test_a_submission_cancelled_as_it_ends_loses_no_shot(jobs: Jobs, monkeypatch):
    """The caller gives up just as the job becomes visible: workers still find all its shots."""
    write, loop = Database.write, asyncio.get_running_loop()

    def write_and_cancel(database: Database, work: Callable) -> object:
        written = write(database, work)
        if work.__name__ == "_finish":
            loop.call_soon_threadsafe(submitting.cancel)
        return written

    monkeypatch.setattr(Database, "write", write_and_cancel)
    submitting = asyncio.create_task(jobs.submit(SPEC, make_shots(3)))
    with pytest.raises(asyncio.CancelledError):
        await submitting
    (job,) = await jobs.list()
    assert len(await jobs.results(job.id)) == job.counts.total == 3


async def test_owners_see_only_their_own_jobs(jobs: Jobs):
    """For anybody else there is no such job."""
    mine = await jobs.submit(SPEC, make_shots(1))
    alices = await jobs.submit(JobSpec("m", "sandbox", BudgetOwner("alice")), make_shots(1))
    assert [job.id for job in await jobs.list(owner="alice")] == [alices.id]
    assert [job.id for job in await jobs.list(owner=None)] == [mine.id]
    assert [job.id for job in await jobs.list()] == [alices.id, mine.id]
    assert [job.id for job in await jobs.list(before=alices.id)] == [mine.id]
    assert await jobs.status(mine.id, owner="alice") is None
    assert await jobs.cancel(mine.id, owner="alice") is None
    assert await jobs.retry(alices.id, owner=None) is None
    assert (await jobs.status(alices.id)).ahead == 1


async def test_a_worker_makes_every_shot(jobs: Jobs):
    """The job is done, and each result is there."""
    job = await jobs.submit(SPEC, make_shots(150))
    async with working(jobs):
        done = await ended(jobs, job)
    assert (done.state, done.counts.done, done.counts.left) == (JobState.DONE, 150, 0)
    assert done.started_at <= done.finished_at
    results = await jobs.results(job.id, limit=1000)
    assert [one.result for one in results] == [make_result(f"s{n}") for n in range(150)]


async def test_workers_of_another_provider_leave_a_job_alone(jobs: Jobs):
    """A job for the sandbox must not be billed by the service."""
    other = await jobs.submit(JobSpec("m", "dashscope"), make_shots(1))
    job = await jobs.submit(SPEC, make_shots(1))
    async with working(jobs):
        await ended(jobs, job)
    assert (await jobs.status(other.id)).state is JobState.QUEUED


async def test_a_shot_comes_after_those_it_needs(jobs: Jobs):
    """It gets their images, also from another part of the job."""
    first = make_shots(1, is_needed=True)
    others = [
        JobShot(f"t{n}", ImageRequest(prompt="x", size="16:9"), (b"png", NeededShot("s0")))
        for n in range(30)
    ]
    job = await jobs.submit(SPEC, first + others)
    parts: list[JobPart] = []

    async def run(part: JobPart, *, on_end, **_: object) -> None:
        parts.append(part)
        await make_all(part, on_end=on_end)

    async with working(jobs, run):
        await ended(jobs, job)
    assert parts[0].images == {}
    assert all(part.images == {"s0": "s0-1024x1024"} for part in parts[1:])
    assert parts[1].shots[0].shot.references == (b"png", NeededShot("s0"))
    shown = (await jobs.results(job.id, after=0, limit=1))[0].shot.references[0]
    assert shown.startswith("sha256:")


async def test_a_failed_shot_can_be_retried(jobs: Jobs):
    """Only it is made again, and what an unknown outcome may cost is accepted."""
    job = await jobs.submit(SPEC, make_shots(12))
    unknown = Failure("connection_lost", "lost", "", True, Billing.POSSIBLE, None)
    ends = {3: FAILURE, 4: unknown}
    seen: list[Sequence[tuple[int, int]]] = []

    async def run(part: JobPart, *, on_end, **_: object) -> None:
        seen.append([(one.position, one.accepted_unknown) for one in part.shots])
        first = len(seen) <= 2
        await on_end(
            [
                ShotEnd(one.position, failure=ends[one.position])
                if first and one.position in ends
                else ShotEnd(one.position, make_result(one.shot.id))
                for one in part.shots
            ]
        )

    async with working(jobs, run):
        done = await ended(jobs, job)
        counts = done.counts
        assert (done.state, counts.done, counts.failed) == (JobState.DONE, 10, 2)
        assert (counts.refused, counts.unknown) == (1, 1)
        again = await jobs.retry(job.id)
        assert again.state is JobState.QUEUED
        done = await ended(jobs, job)
    assert done.counts.done == 12
    assert seen[2] == [(3, 0), (4, 1)]
    assert (await jobs.retry(job.id)).state is JobState.DONE


async def test_a_cancelled_job_stops(jobs: Jobs):
    """Its parts are told to stop, and no other one starts; a retry goes on."""
    job = await jobs.submit(SPEC, make_shots(100))
    began = asyncio.Event()
    hold = True

    async def run(part: JobPart, *, on_end, stop, **_: object) -> None:
        began.set()
        if hold:
            await on_end([ShotEnd(part.shots[0].position, make_result("x"))])
            await stop.wait()
        else:
            await make_all(part, on_end=on_end)

    async with working(jobs, run):
        await began.wait()
        cancelled = await jobs.cancel(job.id)
        assert cancelled.state is JobState.CANCELLED
        await asyncio.sleep(3)
        assert (await jobs.status(job.id)).counts.done <= 2
        hold = False
        await jobs.retry(job.id)
        assert (await ended(jobs, job)).counts.done == 100


async def test_a_stopped_worker_leaves_the_rest_to_the_next(jobs: Jobs):
    """It ends what was sent, and another worker makes the rest at once."""
    job = await jobs.submit(SPEC, make_shots(40))
    began = asyncio.Event()

    async def run(part: JobPart, *, on_end, stop, **_: object) -> None:
        began.set()
        await stop.wait()
        await on_end([ShotEnd(part.shots[0].position, make_result("x"))])

    async with working(jobs, run) as stop:
        await began.wait()
        stop.set()
    assert 1 <= (await jobs.status(job.id)).counts.done <= 2
    async with working(jobs):
        assert (await ended(jobs, job)).counts.done == 40


async def test_an_error_that_every_shot_would_have_ends_the_job(jobs: Jobs):
    """The job says why, and a retry goes on."""
    job = await jobs.submit(SPEC, make_shots(40))
    broken = Failure("wrong_key", "wrong", "Fix it.", False, Billing.NONE, None)
    is_broken = True

    async def run(part: JobPart, *, on_end, **_: object) -> Failure | None:
        if is_broken:
            return broken
        return await make_all(part, on_end=on_end)

    async with working(jobs, run):
        failed = await ended(jobs, job)
        assert (failed.state, failed.error) == (JobState.FAILED, broken)
        is_broken = False
        await jobs.retry(job.id)
        assert (await ended(jobs, job)).counts.done == 40


async def test_a_turn_is_taken_by_one(jobs: Jobs):
    """The others get it only after the given time."""
    turns = await asyncio.gather(*(jobs.take_turn("recover", seconds=60) for _ in range(5)))
    assert sorted(turns) == [False, False, False, False, True]
    assert await jobs.take_turn("recover", seconds=0)


async def test_the_webhook_of_an_ended_job_is_taken_once_until_it_is_due_again(jobs: Jobs):
    """Several workers ask at the same time; jobs of other providers and without a URL have none."""
    spec = replace(SPEC, notify_url="https://hooks.example/")
    for one in (spec, SPEC, replace(spec, provider="dashscope")):
        job = await jobs.submit(one, make_shots(1))
        await jobs.cancel(job.id)
    taken = await asyncio.gather(
        *(jobs.take_webhooks(provider="sandbox", limit=9) for _ in range(4))
    )
    (webhook,) = [one for some in taken for one in some]
    assert webhook.attempts == 1
    await jobs.record_webhook(webhook, problem="the receiver answered 500")
    assert [one.problem for one in await jobs.list_webhooks(only_failed=True)] == [
        "the receiver answered 500"
    ]
    assert not await jobs.take_webhooks(provider="sandbox", limit=9)
    await jobs.record_webhook(webhook, problem=None)
    assert not await jobs.list_webhooks(only_failed=True)
    assert [one.id for one in await jobs.list_webhooks(only_failed=False)] == [webhook.id]


async def test_a_job_that_ends_again_has_another_webhook(jobs: Jobs):
    """A retry is a new end."""
    spec = replace(SPEC, notify_url="https://hooks.example/")
    job = await jobs.submit(spec, make_shots(1))
    ids = set()
    for _ in range(2):
        await jobs.cancel(job.id)
        (webhook,) = await jobs.take_webhooks(provider="sandbox", limit=9)
        ids.add(webhook.id)
        await jobs.record_webhook(webhook, problem=None)
        await jobs.retry(job.id)
    assert len(ids) == 2
