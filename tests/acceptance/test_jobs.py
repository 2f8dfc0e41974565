"""Durable jobs with real workers, on SQLite and on Postgres."""

import asyncio
import fcntl
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.batch_command import by_id, write_rows
from tests.support.quick_worker import QUICK_WORKER
from tests.support.warm_commands import WarmProcess

from stills.app import Stills
from stills.contract.jobs import Job, JobCounts, JobShot, JobState
from stills.contract.postgres_url import read_postgres_url
from stills.contract.request import ImageRequest
from stills.jobs import DbosJobs

SILENT_SECONDS = "6"

Start = Callable[..., WarmProcess]


class Jobs:
    """The commands of jobs, on one service and one pair of databases."""

    def __init__(self, run, service, database: dict[str, str], output: str) -> None:
        self.service = service
        self.variables = service.variables | database | {"STILLS_RATE_LIMIT": "none"}
        self._run = run
        url = database.get("STILLS_CATALOG")
        file = Path(output) / "ai-image-qwen-image" / "jobs.db"
        self._location = file if url is None else read_postgres_url(url)

    def __call__(self, *arguments: str) -> str:
        done = self._run(*arguments, variables=self.variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def try_to(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(*arguments, variables=self.variables)

    def submit(self, shots: Path, *options: str) -> str:
        return self("batch", str(shots), "--queue", "--yes", *options)

    def show(self, job: str) -> dict[str, Any]:
        return json.loads(self("jobs", "show", job, "--json"))

    def read(self, job: str) -> Job:
        async def read() -> Job | None:
            opened = DbosJobs(self._location)
            try:
                return await opened.status(job)
            finally:
                await opened.close()

        found = asyncio.run(read())
        assert found is not None
        return found

    def counts(self, job: str) -> JobCounts:
        return self.read(job).counts

    def wait_for(self, job: str, done: int) -> None:
        wait_long(lambda: self.counts(job).done >= done)

    def wait(self, job: str) -> Job:
        wait_long(lambda: not self.read(job).state.is_active)
        return self.read(job)


def wait_long(happened: Callable[[], Any]) -> None:
    give_up = time.monotonic() + 600
    while not happened():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.2)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request) -> dict[str, str]:
    """The variables of the catalog, and so of the jobs: a new one."""
    if request.param == "sqlite":
        return {}
    return {"STILLS_CATALOG": request.getfixturevalue("postgres_url").secret}


@pytest.fixture
def make_jobs(run, start_service, database, environment) -> Callable[..., Jobs]:
    """Make jobs on a sandbox with options."""

    def make(*options: str) -> Jobs:
        return Jobs(run, start_service(*options), database, environment["OUTPUT_DIR"])

    return make


@pytest.fixture
def jobs(make_jobs) -> Jobs:
    """Jobs on a sandbox without latency."""
    return make_jobs()


@pytest.fixture
def start_worker(warm_commands, environment, tmp_path) -> Iterator[Start]:
    """Start workers, each with a spool of its own."""
    number = itertools.count()
    with ExitStack() as running:

        def start(jobs: Jobs, *options: str) -> WarmProcess:
            spool = {"STILLS_SPOOL": str(tmp_path / f"spool {next(number)}")}
            worker = warm_commands.running(
                SILENT_SECONDS,
                *options,
                program=str(QUICK_WORKER),
                env=environment | jobs.variables | spool,
                cwd=tmp_path,
            )
            return running.enter_context(worker)

        yield start


@pytest.fixture
def shots(tmp_path) -> Path:
    """A list of 20 shots."""
    return write_rows(tmp_path / "film.csv", rows=20)


def test_a_job_leaves_the_folder_of_a_local_batch(jobs, start_worker, shots, tmp_path):
    """Submitting prints the id at once; waiting writes manifest, images and contact sheet."""
    job = jobs.submit(shots)
    assert jobs.counts(job).done == 0
    start_worker(jobs)
    jobs.wait(job)
    assert jobs("jobs", "wait", job) == str(tmp_path / "film-stills" / "manifest.jsonl")
    assert jobs.service.billed() == 20
    jobs("batch", str(shots), "-o", "local", "--yes")
    assert jobs.service.billed() == 20
    queued, local = by_id(tmp_path / "film-stills"), by_id(tmp_path / "local")
    spent = {"cached", "cost_usd", "notes"}
    assert list(queued) == list(local)
    for shot_id, entry in queued.items():
        there = tmp_path / "film-stills" / entry["file"]
        assert there.read_bytes() == (tmp_path / "local" / entry["file"]).read_bytes()
        assert {name: value for name, value in entry.items() if name not in spent} == {
            name: value for name, value in local[shot_id].items() if name not in spent
        }
    assert (tmp_path / "film-stills" / "index.html").is_file()


def test_the_same_list_of_one_name_is_one_job(jobs, shots, tmp_path):
    """Another list of the name is refused, and nothing is submitted."""
    job = jobs.submit(shots, "--job-name", "film")
    assert jobs.submit(shots, "--job-name", "film") == job
    other = write_rows(tmp_path / "other.csv", rows=21)
    refused = jobs.try_to("batch", str(other), "--queue", "--yes", "--job-name", "film")
    assert refused.returncode == 2
    assert "'film'" in refused.stderr
    assert jobs("jobs", "list").count("\n") == 0


def test_shots_that_need_others_are_generated_after_them(jobs, start_worker, tmp_path):
    """References to shots and to local files reach the worker, whatever its folder is."""
    picture = tmp_path / "own.png"
    portrait = write_rows(tmp_path / "one.csv", rows=1)
    jobs("batch", str(portrait), "-o", "first", "--yes")
    (tmp_path / "first" / "images" / "s00.png").rename(picture)
    rows = [
        {"id": "hero", "prompt": "a hero", "reference_image": "own.png"},
        *({"id": f"t{n}", "prompt": f"scene {n}", "reference_shot": "hero"} for n in range(30)),
    ]
    shots = tmp_path / "film.jsonl"
    shots.write_text("".join(json.dumps(row | {"size": "1024*1024"}) + "\n" for row in rows))
    job = jobs.submit(shots, "--model", "qwen-image-2.0")
    picture.unlink()
    start_worker(jobs)
    assert jobs.wait(job).counts.done == 31
    local = jobs.try_to("batch", str(shots), "--model", "qwen-image-2.0", "-o", "local", "--yes")
    assert "own.png" in local.stderr  # it is gone


@pytest.mark.parametrize("killed", [1, 2])
def test_killed_workers_are_replaced_by_the_others(make_jobs, start_worker, tmp_path, killed):
    """Of 60 shots, only interrupted calls have an unknown outcome; the ledger is what was billed.

    Nobody does anything, and each shot is paid for once.
    """
    jobs = make_jobs("--latency", "0.5")
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=60))
    workers = [start_worker(jobs, "--concurrency", "4") for _ in range(3)]
    jobs.wait_for(job, done=10)
    for worker in workers[:killed]:
        worker.send_signal(signal.SIGKILL)
    counts = jobs.wait(job).counts
    assert counts.done + counts.unknown == 60
    assert counts.unknown <= 4 * killed
    spend, billed = jobs.show(job)["spend"], jobs.service.billed()
    assert (spend["billed"], spend["possible"]) == (counts.done, counts.unknown)
    assert spend["billed"] <= billed <= spend["billed"] + spend["possible"]


def test_jobs_go_on_after_all_workers_were_killed(make_jobs, start_worker, tmp_path):
    """New workers make the rest; a retry makes what has an unknown outcome."""
    jobs = make_jobs("--latency", "0.5")
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=40))
    workers = [start_worker(jobs) for _ in range(2)]
    jobs.wait_for(job, done=5)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    start_worker(jobs)
    counts = jobs.wait(job).counts
    assert counts.done + counts.unknown == 40
    jobs("jobs", "retry", job)
    assert jobs.wait(job).counts.done == 40
    assert jobs.service.billed() <= 40 + counts.unknown


def test_a_stopped_worker_finishes_what_it_sent(make_jobs, start_worker, tmp_path):
    """SIGTERM ends it with code 0, nothing has an unknown outcome, and another one goes on."""
    jobs = make_jobs("--latency", "1")
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=30))
    first = start_worker(jobs)
    wait_long(lambda: jobs.service.ledger()["sends"])
    first.send_signal(signal.SIGTERM)
    assert first.wait(300) == 0
    counts = jobs.counts(job)
    assert counts.unknown == 0
    assert jobs.service.billed() == counts.done
    start_worker(jobs)
    assert jobs.wait(job).counts.done == 30
    assert jobs.service.billed() == 30


def test_a_second_signal_ends_a_worker_at_once(jobs, start_worker, shots):
    """Another one continues, without waiting for a minute."""
    jobs.service.set_faults({"kind": "slow", "delay_seconds": 120, "times": None})
    job = jobs.submit(shots)
    first = start_worker(jobs)
    wait_long(lambda: jobs.service.ledger()["sends"])
    first.send_signal(signal.SIGTERM)
    time.sleep(1)
    first.send_signal(signal.SIGTERM)
    assert first.wait(300) == 130
    jobs.service.set_faults()
    start_worker(jobs)
    counts = jobs.wait(job).counts
    assert counts.done + counts.unknown == 20


def test_a_cancelled_job_starts_nothing_more(make_jobs, start_worker, tmp_path):
    """Calls already sent are finished, and a retry makes the others."""
    jobs = make_jobs("--latency", "1")
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=400))
    worker = start_worker(jobs)
    wait_long(lambda: jobs.service.ledger()["sends"])
    assert "cancelled" in jobs("jobs", "cancel", job)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(300) == 0
    done = jobs.counts(job).done
    assert jobs.service.billed() == done < 400
    waited = jobs.try_to("jobs", "wait", job)
    assert waited.returncode == 1
    assert f"{400 - done} not started" in waited.stderr
    assert "queued" in jobs("jobs", "retry", job)


def test_workers_stop_a_job_exactly_at_its_cap(jobs, start_worker, environment):
    """Of thirty shots at 0.075 USD, three workers make ten for 0.75 USD."""

    def shots() -> Iterator[JobShot]:
        for number in range(30):
            yield JobShot(f"s{number}", ImageRequest(prompt=f"kite {number}", size="512*512"))

    async def submit() -> str:
        variables = environment | jobs.variables
        async with Stills.from_env(environment=variables) as stills:
            submitted = await stills.jobs.submit(shots(), model="qwen-image-max", max_cost_usd=0.75)
            return submitted.id

    job = asyncio.run(submit())
    for _ in range(3):
        start_worker(jobs)
    counts = jobs.wait(job).counts
    assert (counts.done, counts.failed, counts.unpaid) == (10, 20, 20)
    assert jobs.service.billed() == 10
    assert jobs.show(job)["spend"]["billed_usd"] == 0.75


def test_a_refused_shot_fails_alone(jobs, start_worker, shots):
    """The folder has the others, and the command says why."""
    jobs.service.set_faults({"kind": "content_refused", "match": "number 07", "times": None})
    job = jobs.submit(shots)
    start_worker(jobs)
    jobs.wait(job)
    waited = jobs.try_to("jobs", "wait", job)
    assert waited.returncode == 1
    assert "s07: " in waited.stderr
    assert "19 new" in waited.stderr
    counts = jobs.counts(job)
    assert (counts.done, counts.failed, counts.refused) == (19, 1, 1)


def test_an_account_that_owes_money_stops_the_job(jobs, start_worker, shots):
    """The job says why; after that, a retry makes everything."""
    jobs.service.set_faults({"kind": "postpaid_overdue", "times": None})
    job = jobs.submit(shots)
    start_worker(jobs)
    failed = jobs.wait(job)
    assert (failed.state, failed.error.code) == (JobState.FAILED, "account_overdue")
    jobs.service.set_faults()
    jobs("jobs", "retry", job)
    assert jobs.wait(job).counts.done == jobs.service.billed() == 20


def test_a_worker_shows_its_health(jobs, start_worker, shots):
    """Health and metrics are at the port that it prints."""
    worker = start_worker(jobs)
    url = re.search(r"http://\S+(?=/healthz)", worker.stdout.readline())[0]
    job = jobs.submit(shots)
    jobs.wait(job)

    def get(path: str) -> str:
        with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
            return answer.read().decode()

    assert json.loads(get("/healthz")) == json.loads(get("/readyz")) == {"status": "ok"}
    assert 'stills_images_total{answered="billed",model="qwen-image-max"} 20.0' in get("/metrics")


def test_an_interrupted_wait_leaves_the_board_as_it_was(
    jobs, command, environment, shots, tmp_path
):
    """It says that the job continues."""
    jobs("batch", str(shots), "-o", "board", "--yes")
    before = (tmp_path / "board" / "manifest.jsonl").read_bytes()
    job = jobs.submit(shots, "-o", "board")
    waiting = subprocess.Popen(
        [*command, "jobs", "wait", job],
        env=environment | jobs.variables, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_long(lambda: _is_locked(tmp_path / "board"))
    waiting.send_signal(signal.SIGINT)
    errors = waiting.communicate(timeout=300)[1]
    assert waiting.returncode == 130
    assert "the job continues" in errors
    assert (tmp_path / "board" / "manifest.jsonl").read_bytes() == before


def _is_locked(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@pytest.mark.parametrize("option", ["--fresh s01", "--retry-failed", "--events", "--rate 2/min"])
def test_options_of_a_local_run_are_refused(run, shots, option):
    """The line says what to use instead."""
    refused = run("batch", str(shots), "--sandbox", "--queue", "--yes", *option.split())
    assert refused.returncode == 2
    assert "--queue" in refused.stderr


@pytest.mark.parametrize("missing", ["sqlalchemy", "dbos"])
def test_without_its_libraries_one_line_says_what_to_install(environment, tmp_path, missing):
    """Nothing is submitted."""
    program = (
        "import importlib.util, sys; find = importlib.util.find_spec; "
        f"sys.modules.update({missing}=None); "
        f"importlib.util.find_spec = lambda name: None if name == {missing!r} else find(name); "
        "from stills.cli.main import main; sys.exit(main(['jobs', 'list']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 7
    assert done.stderr.count("\n") == 1
    assert "pip install 'stills[jobs]'" in done.stderr
