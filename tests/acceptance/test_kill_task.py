"""SIGKILL while the service works on a task: the task is asked for, and nothing is sent again."""

import json
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest

KITE = {"prompt": "a red kite", "size": "512*512"}
KILLS, DISTINCT = 8, 6
SENDS = "SELECT g.text, s.billing FROM sends AS s JOIN generations AS g ON g.id = s.generation_id"


@pytest.fixture(autouse=True)
def model(environment: dict[str, str]) -> None:
    """Use a model that has tasks."""
    environment["STILLS_MODEL"] = "qwen-image-3.0"


@pytest.fixture
def kill_while_waiting(start_driver, service, wait_until, rows):
    """Kill a process that has asked for its task and waits."""

    def kill() -> None:
        service.set_faults({"kind": "task_slow", "delay_seconds": 2})
        driver = start_driver(service)
        driver.begin(KITE)
        wait_until(lambda: service.ledger()["totals"]["task_queries"])
        driver.kill()
        ((stage, has_task),) = rows("SELECT stage, task_id IS NOT NULL FROM generations")
        assert (stage, has_task) == ("sent", 1)
        assert service.billed() == 0

    return kill


def spent(run) -> tuple[int, int]:
    spend = json.loads(run("spend", "--json").stdout)
    return spend["billed"], spend["possible"]


def test_the_next_run_waits_for_the_task_of_a_killed_one(
    kill_while_waiting, start_driver, service, run
):
    """One call, one bill, one stored image, and no note."""
    kill_while_waiting()
    driver = start_driver(service)
    driver.begin(KITE)
    (result,) = driver.finish()

    totals = service.ledger()["totals"]
    assert (totals["generations"], totals["billed_images"]) == (1, 1)
    assert result["notes"] == []
    assert spent(run) == (1, 0)
    assert "nothing wrong" in run("verify").stdout
    print(f"killed while waiting: {totals}")


def test_recover_waits_for_the_task_of_a_killed_run(kill_while_waiting, service, run):
    """Nothing is sent, and the image is listed."""
    kill_while_waiting()
    recovered = run("recover", variables=service.variables)

    assert recovered.returncode == 0, recovered.stdout
    assert "1 image recovered" in recovered.stdout
    totals = service.ledger()["totals"]
    assert (totals["generations"], totals["billed_images"]) == (1, 1)
    assert len(run("list", "--json").stdout.splitlines()) == 1
    assert spent(run) == (1, 0)


def test_kills_at_random_moments_bill_no_task_twice(start_driver, service, run, rows, rng):
    """Only a call that was killed before its task was journalled is of unknown outcome."""
    service.set_faults(
        {"kind": "task_slow", "times": None, "probability": 0.5, "delay_seconds": 0.5},
        {"kind": "slow", "times": None, "probability": 0.3, "delay_seconds": 0.2},
    )
    run("catalog", "migrate")
    asked = [{"prompt": f"shot {number}", "size": "512*512"} for number in range(DISTINCT)]
    done: dict[str, dict] = {}
    kills = 0
    while left := [each for each in asked if each["prompt"] not in done]:
        driver = start_driver(service)
        driver.begin(*left, at_once=2)
        events = []
        if kills < KILLS:
            events += driver.collect(rng.choice(["sent", "answered"]), "ended")
            time.sleep(rng.uniform(0, 0.8))  # not a wait: this picks the random moment
            with suppress(ProcessLookupError):  # it may have ended by itself
                driver.signal(signal.SIGKILL)
            kills += 1
        if not events or events[-1]["event"] != "ended":
            events += driver.collect("ended")
        done |= {each["prompt"]: each for each in events if each["event"] == "done"}
        assert not [event for event in events if event["event"] == "failed"]

    billed, possible, certain = Counter(), Counter(), Counter()
    for send in service.ledger()["sends"]:
        if send["kind"] == "generation":
            billed[send["prompt"]] += send["billed"]
    for text, billing in rows(SENDS):
        certain[text] += billing == "billed"
        possible[text] += billing == "possible"
    for text in done:
        assert certain[text] == 1
        assert 1 <= billed[text] <= 1 + possible[text]
    assert spent(run) == (DISTINCT, possible.total())
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    assert json.loads(run("verify", "--json").stdout)["findings"] == []
    print(f"{kills} kills: {billed.total()} billed, {possible.total()} of unknown outcome")
