"""A process paused past its lease: a call that may still be billed is not repeated."""

import json
import socket
import time

import pytest

KITE = {"prompt": "a red kite", "size": "1328*1328"}
POLICY = {"lease_seconds": 1.0, "backoff_base_seconds": 0.1}


@pytest.fixture
def paused(start_driver, wait_until):
    """Pause a process while it waits for the service, and check that it still waits."""

    def pause(service, kind: str):
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY)
        (send,) = wait_until(lambda: sends(service, kind))
        driver.pause()
        (send,) = sends(service, kind)
        assert not send["finished"]
        return driver

    return pause


@pytest.fixture
def wait_until_lapsed(rows, wait_until):
    """Wait until the lease of the only claim has ended."""

    def wait() -> None:
        ((lease_until,),) = rows("SELECT lease_until FROM claims")
        wait_until(lambda: time.monotonic() > lease_until)

    return wait


def sends(service, kind: str) -> list[dict]:
    return [send for send in service.ledger()["sends"] if send["kind"] == kind]


def result_of(driver) -> dict:
    (result,) = driver.finish()
    return result


@pytest.fixture
def ask(start_driver):
    """Send the request in another process; returns the result."""

    def ask_driver(service) -> dict:
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY)
        return result_of(driver)

    return ask_driver


@pytest.fixture
def give_up(start_driver):
    """Send the request in another process with a short deadline; returns the error."""

    def ask_driver(service) -> dict:
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY | {"deadline_seconds": 1.5})
        failed, _ended = driver.collect("ended")
        return failed

    return ask_driver


@pytest.fixture
def settled(ask, rows, run):
    """Check that an image is answered from the catalog, with nothing sent, lost or left over."""

    def check(service, answering: dict, *, billing: list[str], billed: int) -> None:
        again = ask(service)
        assert (again["id"], again["sha256"]) == (answering["id"], answering["sha256"])
        assert again["cached"]
        assert rows("SELECT billing FROM sends ORDER BY number") == [(how,) for how in billing]
        totals = service.ledger()["totals"]
        assert (totals["generations"], totals["billed_images"]) == (len(billing), billed)
        assert rows("SELECT count(*) FROM claims") == [(0,)]
        verified = json.loads(run("verify", "--json").stdout)
        assert verified["findings"] == []
        print(
            f"{totals['generations']} sends, {billed} billed, on the ledger as {billing}; "
            f"{verified['checked']} images kept"
        )

    return check


def test_a_paused_call_is_billed_once(
    paused, wait_until_lapsed, service, start_driver, give_up, settled
):
    """Other processes wait; at its deadline, a waiting process names the one it waited for."""
    service.set_faults({"kind": "slow", "delay_seconds": 5})
    sleeper = paused(service, "generation")
    wait_until_lapsed()
    waiting = start_driver(service)
    waiting.begin(KITE, policy=POLICY)

    failed = give_up(service)
    assert "no image within 1.5 s: another process is still working on it" in failed["error"]
    assert f"Process {sleeper.pid} on {socket.gethostname()}" in failed["error"]
    assert failed["billing"] == "none"

    sleeper.wake()
    own = result_of(sleeper)
    assert not own["cached"]
    other = result_of(waiting)
    assert (other["id"], other["cached"]) == (own["id"], True)
    settled(service, own, billing=["billed"], billed=1)


def test_a_killed_call_is_not_waited_for(service, start_driver, wait_until):
    """The next process starts at once despite the long lease, and reports the possible bill."""
    service.set_faults({"kind": "slow", "delay_seconds": 60})
    dead = start_driver(service)
    dead.begin(KITE, policy={"lease_seconds": 3600.0})
    wait_until(lambda: sends(service, "generation"))
    dead.kill()
    heir = start_driver(service)
    heir.begin(KITE, policy={"lease_seconds": 3600.0, "deadline_seconds": 60.0})
    made = result_of(heir)
    assert any("may be billed" in note for note in made["notes"])
    assert len(sends(service, "generation")) == 2


def test_a_pause_right_after_the_claim_ends_without_a_send(start_driver, service, ask, settled):
    """A process that wakes after its claim was taken over sends nothing."""
    sleeper = start_driver(service)
    sleeper.begin(KITE, policy=POLICY, pause_at="claimed")
    sleeper.wait_for("paused")
    other = ask(service)
    assert not any("billed" in note for note in other["notes"])
    sleeper.wake()
    assert result_of(sleeper)["id"] == other["id"]
    settled(service, other, billing=["billed"], billed=1)


def test_a_paused_download_is_finished_by_another(paused, service, ask, settled):
    """The other process uses the link in the journal; both store the image under one name."""
    service.set_faults({"kind": "slow_download", "delay_seconds": 5})
    sleeper = paused(service, "download")
    other = ask(service)
    assert other["cached"]
    sleeper.wake()
    own = result_of(sleeper)
    assert (own["id"], own["sha256"]) == (other["id"], other["sha256"])
    settled(service, other, billing=["billed"], billed=1)
