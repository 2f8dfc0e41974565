"""SIGKILL while one call makes several takes: no paid image is lost or paid for twice."""

import json
import time
from collections import Counter

import pytest

TAKES = 4
MODEL = "qwen-image-2.0"
KITE = {"prompt": "a red kite", "size": "512*512", "takes": TAKES}
POLICY = {"lease_seconds": 0.6, "poll_interval_seconds": 0.02}
KILLS, PROMPTS = 20, 15
FAULTS = [
    {"kind": "slow", "times": None, "probability": 0.4, "delay_seconds": 0.15},
    {"kind": "slow_download", "times": None, "probability": 0.4, "delay_seconds": 0.15},
]
BY_STAGE = "SELECT stage, count(*) FROM generations GROUP BY stage ORDER BY stage"


@pytest.fixture
def killed_at(start_driver, service):
    """Kill a process that makes takes as soon as one of them has reached a stage."""

    def kill(stage: str) -> None:
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY, model=MODEL, pause_at=stage)
        driver.wait_for("paused")
        driver.kill()

    return kill


def finish(start_driver, service, **job) -> list[dict]:
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, model=MODEL, **job)
    return driver.finish()


def test_killed_before_the_call_nothing_is_billed(killed_at, start_driver, service, run):
    """The claims of a dead process are free."""
    killed_at("claimed")
    results = finish(start_driver, service)
    assert len({result["id"] for result in results}) == TAKES
    assert service.billed() == service.ledger()["totals"]["generations"] * TAKES == TAKES
    assert json.loads(run("spend", "--json").stdout)["possible"] == 0


def test_killed_after_the_call_was_sent_every_image_counts_as_possibly_billed(
    start_driver, service, run, rows, wait_until
):
    """The next process says so for each take."""
    service.set_faults({"kind": "slow", "delay_seconds": 60})
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, model=MODEL)
    wait_until(lambda: service.billed() == TAKES)
    driver.kill()
    assert rows(BY_STAGE) == [("sent", TAKES)]
    service.set_faults()
    results = finish(start_driver, service)
    assert all("may be billed" in " ".join(result["notes"]) for result in results)
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (TAKES, TAKES)
    assert service.billed() == 2 * TAKES


def test_killed_after_the_answer_every_image_is_downloaded_free_of_charge(
    killed_at, start_driver, service, run, rows
):
    """All links are in the journal before the first download."""
    killed_at("answered")
    assert rows(BY_STAGE) == [("answered", TAKES)]
    results = finish(start_driver, service)
    assert len({result["sha256"] for result in results}) == TAKES
    assert [result["cached"] for result in results] == [True] * TAKES
    assert service.billed() == TAKES
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (TAKES, 0)


def test_killed_while_a_task_runs_every_image_is_asked_for_and_billed_once(
    start_driver, service, run, rows, wait_until
):
    """The task of version 3.0 makes all takes; each is in the journal with its place in it."""
    service.set_faults({"kind": "task_slow", "delay_seconds": 5})
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, model="qwen-image-3.0")
    tasks = "SELECT count(*), count(DISTINCT task_id) FROM generations WHERE task_id IS NOT NULL"
    run("catalog", "migrate")
    wait_until(lambda: rows(tasks) == [(TAKES, 1)])
    driver.kill()
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, model="qwen-image-3.0")
    results = driver.finish()
    assert len({result["sha256"] for result in results}) == TAKES
    assert service.billed() == service.ledger()["totals"]["generations"] * TAKES == TAKES
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (TAKES, 0)


def test_recover_finishes_every_image_of_a_killed_call(killed_at, service, run, rows):
    """Nothing is sent."""
    killed_at("answered")
    recovered = run("recover", variables=service.variables)
    assert recovered.returncode == 0, recovered.stderr
    assert rows(BY_STAGE) == [("kept", TAKES)]
    assert service.billed() == TAKES


def test_killed_while_some_images_are_stored_the_others_follow(
    killed_at, start_driver, service, rows
):
    """Each take is in the journal on its own."""
    killed_at("kept")
    assert {stage for stage, _ in rows(BY_STAGE)} <= {"answered", "kept"}
    assert len(finish(start_driver, service)) == TAKES
    assert service.billed() == TAKES


def test_many_kills_lose_nothing_and_pay_nothing_twice(start_driver, service, run, rows, rng):
    """At random moments, while calls of several takes are in flight."""
    service.set_faults(*FAULTS)
    run("catalog", "migrate")
    driver = start_driver(service)
    requests = [{"prompt": f"shot {n}", "size": "512*512", "takes": 3} for n in range(PROMPTS)]
    done: dict[str, set[str]] = {}
    kills = 0
    while left := [asked for asked in requests if len(done.get(asked["prompt"], ())) < 3]:
        driver.begin(*left, at_once=4, policy=POLICY, model=MODEL)
        events = driver.collect("claimed", "sent", "answered", "kept", "done", "ended")
        if kills < KILLS and events[-1]["event"] != "ended":
            time.sleep(rng.uniform(0, 0.4))  # not a wait: this picks the random moment
            events += driver.kill_if_running()
            kills += 1
        elif events[-1]["event"] != "ended":
            events += driver.collect("ended")
        assert not [event for event in events if event["event"] == "failed"]
        for event in events:
            if event["event"] == "done":
                done.setdefault(event["prompt"], set()).add(event["id"])
    assert [row for row in rows(BY_STAGE) if row[0] != "failed"] == [("kept", 3 * PROMPTS)]
    ledger = Counter(billing for (billing,) in rows("SELECT billing FROM sends"))
    assert ledger["billed"] == 3 * PROMPTS
    assert 3 * PROMPTS <= service.billed() <= 3 * PROMPTS + ledger["possible"]
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    assert "nothing wrong" in run("verify").stdout
    print(f"{kills} kills, ledger {dict(ledger)}, {service.billed()} billed by the sandbox")
