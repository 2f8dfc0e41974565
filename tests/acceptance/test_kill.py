"""SIGKILL at random moments: no paid image is lost or paid for twice.

Before some kills the process is paused for longer than its lease, while another process requests
the same images and is killed too. After some kills the store is missing, and the catalog is rebuilt
without it.
"""

import json
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pyvips

KILLS, DISTINCT, AT_ONCE = 50, 130, 8
PAUSES = range(5, KILLS, 15)  # the number of kills before each
UNMOUNTS = range(20, KILLS, 10)  # the number of kills before each
POLICY = {"lease_seconds": 0.6, "poll_interval_seconds": 0.02}
SIZES = ["64*64", "256*144", "1328*1328"]
STEPS = ["sent", "answered", "kept", "done"]
FAULTS = [
    {"kind": "slow", "times": None, "probability": 0.4, "delay_seconds": 0.15},
    {"kind": "slow_download", "times": None, "probability": 0.4, "delay_seconds": 0.15},
]

SENDS = "SELECT g.text FROM sends AS s JOIN generations AS g ON g.id = s.generation_id"
JOURNALLED = "SELECT text FROM generations WHERE stage IN ('answered', 'kept')"
CLAIMS = "SELECT token, stage FROM claims JOIN generations ON id = generation_id"


@dataclass
class Lives:
    """What was observed over all lives of the process."""

    results: dict[str, dict] = field(default_factory=dict)
    kills: int = 0
    pauses: int = 0
    unmounts: int = 0
    in_flight: int = 0  # sends without an outcome on the ledger, because of a kill
    stages: dict[str, str] = field(default_factory=dict)  # of the claims held at a kill
    sends_when_journalled: dict[str, int] = field(default_factory=dict)


@pytest.fixture
def count(rows):
    """Count rows by the text sent."""
    return lambda query: Counter(text for (text,) in rows(query))


def kill_at_a_random_moment(driver, rng, *, early: bool) -> list[dict]:
    """Kill shortly after a few random steps; returns all events."""
    later = 0 if early else rng.randrange(len(STEPS))
    events = []
    for _ in range(rng.randint(0, 1 if early else 3)):
        events += driver.collect(*STEPS[later:], "ended")
        if events[-1]["event"] == "ended":
            return events
    time.sleep(rng.uniform(0, 0.08))  # not a wait: this picks the random moment
    return events + driver.kill_if_running()


@pytest.fixture
def is_unlocked(environment) -> Callable[[], bool]:
    """Return whether the catalog's write lock is free."""
    path = Path(environment["OUTPUT_DIR"]) / "ai-image-qwen-image" / "stills.db"

    def try_to_lock() -> bool:
        with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as catalog:
            try:
                catalog.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            catalog.execute("ROLLBACK")
            return True

    return try_to_lock


@pytest.fixture
def pause_while_another_works(rows, wait_until, is_unlocked):
    """Pause a process past its lease while another runs; returns the events of both."""
    leased = "SELECT 1 FROM claims WHERE pid = ? AND lease_until > ?"

    def pause(driver, other, asked: list[dict]) -> list[dict]:
        events = driver.collect("sent")
        driver.signal(signal.SIGSTOP)
        events += driver.collect("paused")
        while not is_unlocked():  # paused during a write, it would lock the catalog
            driver.wake()
            driver.signal(signal.SIGSTOP)
            events += driver.collect("paused")
        other.begin(*asked, at_once=2 * AT_ONCE, policy=POLICY)
        wait_until(lambda: not rows(leased, driver.pid, time.monotonic()))
        events += other.collect("sent")
        time.sleep(0.2)  # another random moment
        events += other.kill_if_running()
        driver.wake()
        return events

    return pause


def look_at_the_catalog(lives: Lives, rows, count, *, processes: int) -> None:
    """Record what a kill left in the catalog."""
    for token, stage in rows(CLAIMS):
        lives.stages.setdefault(token, stage)
    cut_off = count(f"{SENDS} WHERE s.code = 'unsettled'").total() - lives.in_flight
    assert 0 <= cut_off <= processes * AT_ONCE
    lives.in_flight += cut_off
    sends = count(SENDS)
    for (text,) in rows(JOURNALLED):
        lives.sends_when_journalled.setdefault(text, sends[text])


@pytest.fixture
def rebuild_without_the_store(environment, run, rows, rng, service):
    """Remove the store, try to rebuild the catalog and to generate an image, and restore it."""
    images = Path(environment["OUTPUT_DIR"]) / "ai-image-qwen-image" / "images"
    prompt = "shot while the disk is away"
    tables = ["generations", "sends", "renditions", "claims"]

    def unmount() -> None:
        before = [rows(f"SELECT * FROM {table}") for table in tables]
        away = images.rename(images.with_name("away"))
        is_bare = rng.random() < 0.5  # a mount point without its disk, or no folder at all
        if is_bare:
            images.mkdir()
        for command in (["recover", "--rebuild"], ["generate", prompt, "--size", "64*64"]):
            refused = run(*command, variables=service.variables)
            assert refused.returncode == 7, refused.stderr
        assert list(images.glob("**/*")) == []
        if is_bare:
            images.rmdir()
        away.rename(images)
        assert [rows(f"SELECT * FROM {table}") for table in tables] == before
        assert prompt not in [send["prompt"] for send in service.ledger()["sends"]]

    return unmount


@pytest.fixture
def lives(
    start_driver, service, rng, run, rows, count, pause_while_another_works,
    rebuild_without_the_store,
) -> Lives:  # fmt: skip
    """Restart and kill a process until all its requests are done."""
    service.set_faults(*FAULTS)
    run("catalog", "migrate")  # can be read after the first kill
    driver, other = start_driver(service), start_driver(service)
    requests = [{"prompt": f"shot {n}", "size": rng.choice(SIZES)} for n in range(DISTINCT)]
    lives = Lives()
    while left := [asked for asked in requests if asked["prompt"] not in lives.results]:
        asked = rng.sample(left, len(left))
        driver.begin(*asked, at_once=AT_ONCE, policy=POLICY)
        events, processes = [], 1
        if lives.kills in PAUSES and lives.pauses < len(PAUSES):
            events = pause_while_another_works(driver, other, asked)
            lives.pauses += 1
            processes = 3  # the other process makes twice as many calls at once
        if lives.kills < KILLS:
            # A process that is ahead is killed early, so that work is left for every kill.
            early = len(lives.results) / DISTINCT > 0.5 * lives.kills / KILLS
            events += kill_at_a_random_moment(driver, rng, early=early)
        else:
            events += driver.collect("ended")
        assert not [event for event in events if event["event"] == "failed"]
        done = [event for event in events if event["event"] == "done"]
        lives.results |= {event["prompt"]: event for event in done}
        assert events[-1]["code"] in {0, -signal.SIGKILL}
        if events[-1]["code"] == -signal.SIGKILL:
            lives.kills += 1
            look_at_the_catalog(lives, rows, count, processes=processes)
            if lives.kills in UNMOUNTS:
                rebuild_without_the_store()
                lives.unmounts += 1
    return lives


def generation_sends(service) -> list[dict] | None:
    sends = [send for send in service.ledger()["sends"] if send["kind"] == "generation"]
    return sends if all(send["finished"] for send in sends) else None


def test_fifty_kills_lose_nothing_and_pay_nothing_twice(
    lives, start_driver, service, run, rows, count, wait_until
):
    """An answered call is never repeated, and each call in flight at a kill is on the ledger."""
    assert (lives.kills, lives.pauses, lives.unmounts) == (KILLS, len(PAUSES), len(UNMOUNTS))
    arrived, billed = Counter(), Counter()
    for send in wait_until(lambda: generation_sends(service)):
        arrived[send["prompt"]] += 1
        billed[send["prompt"]] += send["billed"]
    sends = count(SENDS)
    answered = count(f"{SENDS} WHERE s.billing = 'billed'")
    possible = count(f"{SENDS} WHERE s.billing = 'possible'")
    for text in lives.results:
        assert sends[text] == lives.sends_when_journalled.get(text, sends[text])
        assert arrived[text] <= sends[text] == answered[text] + possible[text]
        assert answered[text] == 1
        assert 1 <= billed[text] <= 1 + possible[text]
    assert billed.total() - DISTINCT <= lives.in_flight
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (DISTINCT, lives.in_flight)

    for result in lives.results.values():
        path = unquote(urlsplit(result["image_url"]).path)
        image = pyvips.Image.new_from_file(path, fail_on="warning")
        assert (image.width, image.height) == (result["width"], result["height"])
        assert image.avg() > 0
    verified = json.loads(run("verify", "--json").stdout)
    assert verified["findings"] == []
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    by_stage = "SELECT stage, count(*), count(DISTINCT key) FROM generations GROUP BY stage"
    assert [row for row in rows(by_stage) if row[0] != "failed"] == [("kept", DISTINCT, DISTINCT)]

    driver = start_driver(service)
    asked = [
        {"prompt": text, "size": f"{result['width']}*{result['height']}"}
        for text, result in lives.results.items()
    ]
    driver.begin(*asked)
    assert all(result["cached"] for result in driver.finish())
    assert service.ledger()["totals"]["generations"] == arrived.total()
    print(
        f"{DISTINCT} requests, {KILLS} kills, {lives.pauses} pauses, {lives.unmounts} unmounts; "
        f"claims held at them: {dict(Counter(lives.stages.values()))}; "
        f"{sends.total()} sends on the ledger, {arrived.total()} arrived, {billed.total()} billed: "
        f"{answered.total()} shown as billed, {lives.in_flight} as possibly; "
        f"{verified['checked']} images intact"
    )
