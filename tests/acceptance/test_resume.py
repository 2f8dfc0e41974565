"""Killed between answer and download: the paid image is downloaded, not generated again."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

KITE = {"prompt": "a red kite", "size": "256*144"}
POLICY = {"lease_seconds": 3600.0}  # the claim of a killed process is free despite its lease


@pytest.fixture
def ask(start_driver):
    """Send the request in a process that runs to its end."""

    def ask_driver(service, **job) -> dict:
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY, **job)
        (result,) = driver.finish()
        return result

    return ask_driver


def link(rows) -> tuple[str, float]:
    ((stage, expires_at),) = rows("SELECT stage, url_expires_at FROM generations")
    return stage, expires_at


def test_a_killed_download_is_resumed_and_nothing_is_sent(
    start_driver, service, ask, rows, run, wait_until
):
    """The next run downloads from the link in the journal; billed stays 1."""
    service.set_faults({"kind": "slow_download", "delay_seconds": 60})
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY)
    wait_until(lambda: service.ledger()["totals"]["downloads"])
    driver.kill()
    assert link(rows)[0] == "answered"

    result = ask(service)
    totals = service.ledger()["totals"]
    assert (totals["generations"], totals["billed_images"]) == (1, 1)
    assert (result["cached"], result["cost_usd"]) == (True, 0.0)
    assert "nothing wrong" in run("verify").stdout
    print(
        f"killed while downloading: {totals['generations']} generation, {totals['downloads']} "
        f"downloads, {totals['billed_images']} billed"
    )


def test_an_expired_link_is_reported_and_costs_one_new_image(
    start_driver, start_service, ask, rows, run, wait_until
):
    """A note reports the lost image; exactly one new generation replaces it."""
    service = start_service("--link-life", "4")
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, pause_at="answered")
    driver.wait_for("paused")
    driver.kill()
    stage, expires_at = link(rows)
    assert stage == "answered"
    wait_until(lambda: time.time() > expires_at)

    results = [ask(service) for _ in range(3)]
    assert [result["cached"] for result in results] == [False, True, True]
    assert len({result["image_url"] for result in results}) == 1
    for result in results:
        assert any("link expired before the download" in note for note in result["notes"])
    assert service.billed() == service.ledger()["totals"]["generations"] == 2
    assert json.loads(run("spend", "--json").stdout)["billed"] == 2
    print(f"link expired: {service.billed()} billed, notes {results[0]['notes']}")


def test_an_image_that_is_already_stored_needs_no_link(
    start_driver, start_service, ask, rows, run, environment, wait_until
):
    """Killed after storing but before the journal entry, with an expired link: it is adopted."""
    service = start_service("--link-life", "4")
    output = Path(environment["OUTPUT_DIR"]) / "ai-image-qwen-image"
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, pause_at="answered")
    driver.wait_for("paused")
    with closing(sqlite3.connect(output / "stills.db", isolation_level=None)) as catalog:
        catalog.execute("BEGIN IMMEDIATE")  # blocks the journal
        driver.wake()
        wait_until(lambda: list(output.glob("images/*.png")))
        driver.kill()
    stage, expires_at = link(rows)
    assert stage == "answered"
    wait_until(lambda: time.time() > expires_at)

    results = [ask(service) for _ in range(2)]
    assert [result["cached"] for result in results] == [True, True]
    assert service.billed() == service.ledger()["totals"]["generations"] == 1
    assert "nothing wrong" in run("verify").stdout
    print(f"killed before the journal, link expired: {service.billed()} billed")


def test_an_interrupted_image_is_recovered_after_a_fresh_one(start_driver, service, ask, rows, run):
    """Killed before the download, then requested as fresh: `recover` stores the first one."""
    driver = start_driver(service)
    driver.begin(KITE, policy=POLICY, pause_at="answered")
    driver.wait_for("paused")
    driver.kill()
    fresh = ask(service, fresh=True)
    assert not fresh["cached"]
    assert rows("SELECT stage FROM generations ORDER BY sequence") == [("answered",), ("kept",)]

    recovered = run("recover", variables=service.variables)
    assert recovered.returncode == 0, recovered.stdout
    assert rows("SELECT stage FROM generations ORDER BY sequence") == [("kept",), ("kept",)]
    assert ask(service)["id"] == fresh["id"]
    assert service.billed() == service.ledger()["totals"]["generations"] == 2
    assert "nothing wrong" in run("verify").stdout
    print(f"overtaken by a fresh one: {service.billed()} billed, {recovered.stdout!r}")
