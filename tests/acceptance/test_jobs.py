"""Durable jobs with real workers, on SQLite and on Postgres."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.batch_command import by_id, write_rows

SILENT_SECONDS = "6"
QUICK_WORKER = Path(__file__).parents[1] / "support" / "quick_worker.py"
SIZE = ("--size", "512*512")

Start = Callable[..., subprocess.Popen[str]]


class Jobs:
    """The commands of jobs, on one service and one pair of databases."""

    def __init__(self, run, service, database: dict[str, str]) -> None:
        self.service = service
        self.variables = service.variables | database | {"STILLS_RATE_LIMIT": "none"}
        self._run = run

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

    def counts(self, job: str) -> dict[str, int]:
        return self.show(job)["counts"]

    def has_ended(self, job: str) -> bool:
        return self.show(job)["state"] in {"done", "failed", "cancelled"}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request) -> dict[str, str]:
    """The variables of the catalog, and so of the jobs: a new one."""
    if request.param == "sqlite":
        return {}
    return {"STILLS_CATALOG": request.getfixturevalue("postgres_url").secret}


@pytest.fixture
def jobs(run, service, database) -> Jobs:
    """Jobs on a sandbox without latency."""
    return Jobs(run, service, database)


@pytest.fixture
def start_worker(environment, tmp_path) -> Iterator[Start]:
    """Start workers, each with a spool of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(jobs: Jobs, *options: str, **variables: str) -> subprocess.Popen[str]:
        spool = {"STILLS_SPOOL": str(tmp_path / f"spool {len(started)}")}
        process = subprocess.Popen(
            [sys.executable, str(QUICK_WORKER), SILENT_SECONDS, *options],
            env=environment | jobs.variables | spool | variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def shots(tmp_path) -> Path:
    """A list of 20 shots."""
    return write_rows(tmp_path / "film.csv", rows=20)


def test_a_job_leaves_the_folder_of_a_local_batch(jobs, start_worker, shots, tmp_path):
    """Submitting prints the id at once; waiting writes manifest, images and contact sheet."""
    job = jobs.submit(shots)
    assert jobs.counts(job)["done"] == 0
    start_worker(jobs)
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
    jobs("jobs", "wait", job)
    assert jobs.counts(job)["done"] == 31
    local = jobs.try_to("batch", str(shots), "--model", "qwen-image-2.0", "-o", "local", "--yes")
    assert "own.png" in local.stderr  # it is gone


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_a_killed_worker_is_replaced_by_the_others(
    run, start_service, database, start_worker, tmp_path, wait_until, one_at_a_time
):
    """Of 120 shots, only its interrupted calls have an unknown outcome; each is paid once."""
    jobs = Jobs(run, start_service("--latency", "0.5"), database)
    shots = write_rows(tmp_path / "film.csv", rows=120)
    job = jobs.submit(shots)
    workers = [start_worker(jobs, "--concurrency", "4") for _ in range(3)]
    wait_until(lambda: jobs.counts(job)["done"] >= 10)
    for worker in workers[: 2 if one_at_a_time else 1]:
        worker.send_signal(signal.SIGKILL)
    wait_until(lambda: jobs.has_ended(job))
    counts, spend = jobs.counts(job), jobs.show(job)["spend"]
    assert counts["done"] + counts["unknown"] == 120
    assert counts["unknown"] <= (8 if one_at_a_time else 4)
    billed = jobs.service.billed()
    assert spend["billed"] <= billed <= spend["billed"] + spend["possible"]
    assert spend["billed"] == counts["done"]
    assert spend["possible"] == counts["unknown"]


def test_jobs_go_on_after_all_workers_were_killed(
    run, start_service, database, start_worker, tmp_path, wait_until
):
    """New workers make the rest; a retry makes what has an unknown outcome."""
    jobs = Jobs(run, start_service("--latency", "0.5"), database)
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=60))
    workers = [start_worker(jobs) for _ in range(2)]
    wait_until(lambda: jobs.counts(job)["done"] >= 5)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    start_worker(jobs)
    wait_until(lambda: jobs.has_ended(job))
    unknown = jobs.counts(job)["unknown"]
    assert jobs.counts(job)["done"] == 60 - unknown
    jobs("jobs", "retry", job)
    wait_until(lambda: jobs.has_ended(job))
    assert jobs.counts(job)["done"] == 60
    assert jobs.service.billed() <= 60 + unknown


def test_a_stopped_worker_finishes_what_it_sent(
    run, start_service, database, start_worker, tmp_path, wait_until
):
    """SIGTERM ends it with code 0, nothing has an unknown outcome, and another one goes on."""
    jobs = Jobs(run, start_service("--latency", "1"), database)
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=30))
    first = start_worker(jobs)
    wait_until(lambda: jobs.service.ledger()["sends"])
    first.send_signal(signal.SIGTERM)
    assert first.wait(120) == 0
    counts = jobs.counts(job)
    assert 0 < counts["done"] < 30
    assert jobs.service.billed() == counts["done"]
    start_worker(jobs)
    wait_until(lambda: jobs.has_ended(job))
    assert (jobs.counts(job)["done"], jobs.service.billed()) == (30, 30)


def test_a_cancelled_job_starts_nothing_more(
    run, start_service, database, start_worker, tmp_path, wait_until
):
    """Calls already sent are finished, and a retry makes the others."""
    jobs = Jobs(run, start_service("--latency", "1"), database)
    job = jobs.submit(write_rows(tmp_path / "film.csv", rows=40))
    worker = start_worker(jobs)
    wait_until(lambda: jobs.service.ledger()["sends"])
    assert "cancelled" in jobs("jobs", "cancel", job)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    counts = jobs.counts(job)
    assert jobs.service.billed() == counts["done"] < 40
    waited = jobs.try_to("jobs", "wait", job)
    assert waited.returncode == 1
    assert "not started" in waited.stderr
    jobs("jobs", "retry", job)
    start_worker(jobs)
    wait_until(lambda: jobs.has_ended(job))
    assert jobs.counts(job)["done"] == jobs.service.billed() == 40


def test_a_refused_shot_fails_alone(jobs, start_worker, shots):
    """The folder has the others, and the command says why."""
    jobs.service.set_faults({"kind": "content_refused", "match": "number 07", "times": None})
    job = jobs.submit(shots)
    start_worker(jobs)
    waited = jobs.try_to("jobs", "wait", job)
    assert waited.returncode == 1
    assert "s07: " in waited.stderr
    assert "19 new" in waited.stderr
    counts = jobs.counts(job)
    assert (counts["done"], counts["failed"], counts["refused"]) == (19, 1, 1)


def test_an_account_that_owes_money_stops_the_job(jobs, start_worker, shots, wait_until):
    """The job says why; after that, a retry makes everything."""
    jobs.service.set_faults({"kind": "postpaid_overdue", "times": None})
    job = jobs.submit(shots)
    start_worker(jobs)
    wait_until(lambda: jobs.has_ended(job))
    shown = jobs.show(job)
    assert (shown["state"], shown["error"]["code"]) == ("failed", "account_overdue")
    jobs.service.set_faults()
    jobs("jobs", "retry", job)
    wait_until(lambda: jobs.has_ended(job))
    assert jobs.counts(job)["done"] == jobs.service.billed() == 20


def test_a_worker_shows_its_health(jobs, start_worker, shots, wait_until):
    """Health and metrics are at the port that it prints."""
    worker = start_worker(jobs)
    url = worker.stdout.readline().split()[3].removesuffix("/healthz")
    job = jobs.submit(shots)
    wait_until(lambda: jobs.has_ended(job))

    def get(path: str) -> str:
        with urllib.request.urlopen(f"{url}{path}", timeout=20) as answer:
            return answer.read().decode()

    assert json.loads(get("/healthz")) == json.loads(get("/readyz")) == {"status": "ok"}
    assert 'stills_images_total{answered="billed",model="qwen-image-max"} 20.0' in get("/metrics")
