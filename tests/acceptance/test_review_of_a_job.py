"""The folder of a queued job is reviewed and handed over as that of a batch."""

import csv
import json
import signal
import subprocess

import pytest
from playwright.sync_api import expect
from tests.support.batch_command import by_id
from tests.support.browser import running_chromium, watched_page

ROWS = [
    {"id": "1A", "prompt": "the sea", "size": "512*512", "duration": 1, "dialogue": "ANNA: Look!"},
    {"id": "1B", "prompt": "a storm", "size": "512*512", "duration": "0:02"},
]


@pytest.fixture
def start(command, environment, service, tmp_path):
    """Start `stills` commands on the service, and kill them at the end of the test."""
    processes = []

    def start_stills(*arguments):
        process = subprocess.Popen(
            [*command, *arguments],
            env=environment | service.variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_stills
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_folder_of_a_job_is_reviewed_and_handed_over(run, start, service, tmp_path):
    """Decisions and new takes stay when the job is waited for again; no image is billed twice."""

    def stills(*arguments):
        done = run(*arguments, variables=service.variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    (tmp_path / "shots.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    start("worker", "--port", "0")
    job = stills("batch", "shots.jsonl", "--takes", "2", "-o", "film", "--queue", "--yes")
    stills("jobs", "wait", job)
    assert service.billed() == 4
    review = start("review", "film")
    address = review.stdout.readline().split()[1]
    with (
        running_chromium() as chromium,
        watched_page(chromium, address.partition("/review/")[0]) as watched,
    ):
        page = watched.page
        page.goto(address)
        expect(page.locator(".dialogue")).to_have_text("ANNA: Look!")
        page.locator('.take[data-take="1A-2"]').get_by_role("button", name="Pick").click()
        page.locator('.take[data-take="1B"]').get_by_role("button", name="Reject").click()
        expect(page.locator("#generate")).to_contain_text("Generate 1")
        page.click("#generate")
        page.click("#run-send")
        expect(page.locator('.take[data-take="1B-r1"] img')).to_have_count(1, timeout=60_000)
    review.send_signal(signal.SIGINT)
    assert review.wait(60) == 0
    assert service.billed() == 5
    stills("pick", "1B", "r1", "-o", "film", "--comment", "good")
    before = by_id(tmp_path / "film")
    stills("jobs", "wait", job)
    assert by_id(tmp_path / "film") == before
    assert [before[one].get("mark") for one in ("1A-2", "1B", "1B-r1")] == [
        "picked",
        "rejected",
        "picked",
    ]
    stills("export", "film", "--to", "csv")
    with (tmp_path / "film.csv").open(encoding="utf-8-sig", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["id"], row["take"], row["duration"], row["dialogue"]) for row in rows] == [
        ("1A", "2", "1.0", "ANNA: Look!"),
        ("1B", "r1", "2.0", ""),
    ]
    assert stills("animatic", "film", "-o", "film.mp4", "--fps", "5") == "film.mp4"
    assert service.billed() == 5
