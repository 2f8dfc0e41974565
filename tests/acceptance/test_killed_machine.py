"""Machines that are killed at each stage of an image, with one catalog in Postgres and a bucket."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.acceptance.conftest import Driver
from tests.support.machines import make_machine

POLICY = {"lease_seconds": 1.0, "poll_interval_seconds": 0.1}
MAY_BE_BILLED = "An earlier attempt was interrupted after it was sent; it may be billed."


@pytest.fixture
def shared(environment, service, bucket, postgres_url) -> Mapping[str, str]:
    """The variables of all machines."""
    catalog = {"STILLS_CATALOG": postgres_url.secret}
    return {**environment, **service.variables, **bucket, **catalog}


@pytest.fixture
def start_machine(shared, tmp_path: Path) -> Iterator[Callable[[], Driver]]:
    """Start machines, each with processes and a spool of its own."""
    with ExitStack() as drivers:

        def start() -> Driver:
            machine = make_machine(tmp_path, f"worker-{secrets.token_hex(2)}")
            driver = Driver({**shared, **machine.variables()}, machine)
            drivers.callback(driver.close)
            return driver

        yield start


@pytest.fixture
def check(shared, service, run) -> Callable[..., None]:
    """Check that the ledger covers every call that arrived, and that no image is missing."""

    def agree(*, billed: int, possible: int = 0) -> None:
        spend = json.loads(run("spend", "--json", variables=shared).stdout)
        assert (spend["billed"], spend["possible"]) == (billed, possible)
        totals = service.ledger()["totals"]
        assert totals["billed_images"] <= totals["generations"] <= billed + possible
        assert json.loads(run("verify", "--json", variables=shared).stdout)["findings"] == []

    return agree


@pytest.mark.parametrize("stage", ["claimed", "answered", "kept"])
def test_a_machine_killed_outside_of_its_call_costs_nothing(start_machine, check, stage: str):
    """Another takes over once the lease is over, and uses the link or the stored image."""
    kite = {"prompt": "a red kite", "size": "1328*1328"}
    machine, heir = start_machine(), start_machine()
    machine.begin(kite, policy=POLICY, pause_at=stage)
    machine.wait_for("paused")
    machine.kill_machine()
    heir.begin(kite, policy=POLICY)
    (result,) = heir.finish()
    assert result["cached"] is (stage != "claimed")
    assert MAY_BE_BILLED not in result["notes"]
    check(billed=1)


def test_only_a_call_without_a_task_that_was_cut_off_is_sent_again(
    start_machine, check, service, wait_until
):
    """Two machines are killed during a call each; the task of one is asked for by another."""
    in_call, in_task = start_machine(), start_machine()
    service.set_faults(
        {"kind": "slow", "delay_seconds": 60}, {"kind": "task_slow", "delay_seconds": 2}
    )
    kite, boat = ({"prompt": each, "size": "1328*1328"} for each in ("a kite", "a boat"))
    with_task = {"policy": POLICY, "model": "qwen-image-3.0"}
    in_call.begin(kite, policy=POLICY)
    wait_until(lambda: service.ledger()["totals"]["generations"] == 1)
    in_task.begin(boat, **with_task)
    wait_until(lambda: service.ledger()["totals"]["task_queries"])
    in_call.kill_machine()
    in_task.kill_machine()

    heirs = start_machine(), start_machine()
    heirs[0].begin(kite, policy=POLICY)
    heirs[1].begin(boat, **with_task)
    (again,), (asked_for,) = (heir.finish() for heir in heirs)
    assert MAY_BE_BILLED in again["notes"]
    assert MAY_BE_BILLED not in asked_for["notes"]
    assert service.ledger()["totals"]["generations"] == 3
    check(billed=2, possible=1)
