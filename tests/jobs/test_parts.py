"""Attempts at a part whose workers end, as SQLite has them."""

from collections.abc import Iterator

import pytest

from stills.contract.errors import Billing
from stills.contract.jobs import JobPart, JobShot, JobSpec, ShotEnd
from stills.contract.outcome import Failure
from stills.contract.request import ImageRequest
from stills.jobs import DbosJobs, parts
from stills.jobs.database import Database
from stills.jobs.parts import PartId


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    """A new database of jobs."""
    opened = Database(tmp_path / "jobs.db")
    yield opened
    opened.close()


@pytest.fixture
async def one(database, tmp_path) -> PartId:
    """The only part of a job of three shots."""
    jobs = DbosJobs(tmp_path / "jobs.db")
    shots = [
        JobShot(f"s{number}", ImageRequest(prompt=f"kite {number}", size="1024*1024"))
        for number in range(3)
    ]
    job = await jobs.submit(JobSpec("m", "sandbox"), shots)
    await jobs.close()
    (found,) = database.read(lambda each: parts.find_next(each, "sandbox", window=4, limit=10))
    assert found == PartId(job.id, 0, 0)
    return found


def make_failure(code: str) -> Failure:
    return Failure(code, "", "", False, Billing.NONE, None)


def start(database: Database, one: PartId) -> JobPart:
    part = database.write(lambda each: parts.start(each, one))
    assert part is not None
    return part


def test_a_shot_that_ends_its_workers_fails_alone(database, one):
    """After three attempts shots are tried one at a time, and the second such end is its last."""
    assert [start(database, one).one_at_a_time for _ in range(4)] == [False, False, False, True]
    for _ in range(2):
        assert [queued.shot.id for queued in start(database, one).shots] == ["s0", "s1", "s2"]
        database.write(lambda each: parts.note_try(each, one, 1))
    part = start(database, one)
    assert [queued.shot.id for queued in part.shots] == ["s0", "s2"]
    assert part.job.counts.failed == 1


def test_a_worker_that_was_stopped_while_a_shot_was_tried_is_no_proof(database, one):
    """Another shot that is tried then begins at its own first try."""
    for _ in range(4):
        start(database, one)
    for position in (0, 1, 0):
        database.write(lambda each, position=position: parts.note_try(each, one, position))
        assert len(start(database, one).shots) == 3


def test_ends_are_recorded_once(database, one):
    """A second worker that made the same shot changes nothing."""
    part = start(database, one)
    for code in ("first", "second"):
        end = ShotEnd(0, failure=make_failure(code))
        database.write(lambda each, end=end: parts.add_ends(each, part, [end]))
    (stored,) = database.read(lambda each: each.all("SELECT failure FROM ends"))
    assert '"first"' in stored["failure"]


def test_an_earlier_attempt_does_not_end_a_part(database, one):
    """A worker that was taken for dead comes back after another one has begun."""
    part = start(database, one)
    database.write(lambda each: parts.release(each, one))
    late = [ShotEnd(queued.position, failure=make_failure("late")) for queued in part.shots[:1]]
    database.write(lambda each: parts.add_ends(each, part, late))
    database.write(lambda each: parts.end(each, one, error=None, is_stopping=False))
    (row,) = database.read(lambda each: each.all("SELECT state, attempt, failures FROM parts"))
    assert dict(row) == {"state": "waiting", "attempt": 1, "failures": 0}
