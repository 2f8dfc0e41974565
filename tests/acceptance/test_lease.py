"""A process paused past its lease: another takes over, and the paused one spoils nothing."""

import json

import pytest

KITE = {"prompt": "a red kite", "size": "1328*1328"}
POLICY = {"lease_seconds": 1.0, "backoff_base_seconds": 0.1}


@pytest.fixture
def paused(start_driver, wait_until):
    """Pause a process where it waits for the service, and see that it still waits."""

    def pause(service, kind: str):
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY)
        (send,) = wait_until(lambda: sends(service, kind))
        driver.pause()
        (send,) = sends(service, kind)
        assert not send["finished"]
        return driver

    return pause


def sends(service, kind: str) -> list[dict]:
    return [send for send in service.ledger()["sends"] if send["kind"] == kind]


def result_of(driver) -> dict:
    (result,) = driver.finish()
    return result


@pytest.fixture
def ask(start_driver):
    """Ask in another process, to its end."""

    def ask_driver(service) -> dict:
        driver = start_driver(service)
        driver.begin(KITE, policy=POLICY)
        return result_of(driver)

    return ask_driver


@pytest.fixture
def settled(ask, rows, run):
    """See that an image answers from now on, with nothing sent, lost or left over."""

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


def test_a_send_that_was_paused_keeps_its_own_image_and_spoils_no_other(
    paused, service, ask, settled
):
    """Both were paid for, so both are kept; the one of the newer claim answers."""
    service.set_faults({"kind": "slow", "delay_seconds": 5})
    sleeper = paused(service, "generation")
    other = ask(service)
    assert any("may be billed" in note for note in other["notes"])
    sleeper.wake()
    own = result_of(sleeper)
    assert own["id"] != other["id"]
    assert own["image_url"] != other["image_url"]
    settled(service, other, billing=["billed", "billed"], billed=2)


def test_a_send_that_broke_while_paused_is_not_sent_again(paused, start_service, ask, settled):
    """The paused one wakes to a dropped connection, and takes the image that is there by now."""
    service = start_service("--latency", "3")
    service.set_faults({"kind": "drop_after"})
    sleeper = paused(service, "generation")
    other = ask(service)
    sleeper.wake()
    assert result_of(sleeper)["id"] == other["id"]
    settled(service, other, billing=["possible", "billed"], billed=2)


def test_a_pause_right_after_the_claim_ends_without_a_send(start_driver, service, ask, settled):
    """Whoever wakes with a lapsed lease does not send."""
    sleeper = start_driver(service)
    sleeper.begin(KITE, policy=POLICY, pause_at="claimed")
    sleeper.wait_for("paused")
    other = ask(service)
    assert other["notes"] == []
    sleeper.wake()
    assert result_of(sleeper)["id"] == other["id"]
    settled(service, other, billing=["billed"], billed=1)


def test_a_paused_download_is_finished_by_another(paused, service, ask, settled):
    """The other takes the same image from the journal's link; both keep it under one name."""
    service.set_faults({"kind": "slow_download", "delay_seconds": 5})
    sleeper = paused(service, "download")
    other = ask(service)
    assert other["cached"]
    sleeper.wake()
    own = result_of(sleeper)
    assert (own["id"], own["sha256"]) == (other["id"], other["sha256"])
    settled(service, other, billing=["billed"], billed=1)
