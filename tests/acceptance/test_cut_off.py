"""A machine whose cable to Postgres is pulled out during its call, while another wants the image.

Leases last one second here. A holder may be cut off for that and twelve seconds more.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.acceptance.conftest import Driver
from tests.support.cable import Network, lay_cable
from tests.support.machines import make_machine

KITE = {"prompt": "a red kite", "size": "1328*1328"}
POLICY = {"lease_seconds": 1.0, "poll_interval_seconds": 0.1}


@pytest.fixture
def shared(environment, service, postgres_url, tmp_path: Path) -> Mapping[str, str]:
    """The variables of both machines."""
    where = {"STILLS_CATALOG": postgres_url.secret, "STILLS_STORE": str(tmp_path / "images")}
    return {**environment, **service.variables, **where}


@pytest.fixture
def network(service, postgres_server) -> Iterator[Network]:
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    port = urlsplit(service.control_url).port
    with lay_cable(local_port=port, postgres=postgres_server.socket) as laid:
        yield laid


@pytest.fixture
def drivers(network, shared, postgres_url, tmp_path: Path) -> Iterator[tuple[Driver, Driver]]:
    """A machine with the cable, and another."""
    cabled, other = (make_machine(tmp_path, name) for name in ("worker-1", "worker-2"))
    url = postgres_url.secret.partition("?")[0].replace("@/", f"@{network.postgres}/")
    cabled = cabled.on(network)
    with ExitStack() as started:
        pair = (
            Driver({**shared, **cabled.variables(), "STILLS_CATALOG": url}, cabled),
            Driver({**shared, **other.variables()}, other),
        )
        for driver in pair:
            started.callback(driver.close)
        yield pair


@pytest.fixture
def cut_off(drivers, network, service, wait_until) -> Callable[[float], None]:
    """Pull the cable during a call that takes some seconds; the other machine then waits."""

    def cut(call_seconds: float) -> None:
        service.set_faults({"kind": "slow", "delay_seconds": call_seconds})
        holder, other = drivers
        holder.begin(KITE, policy=POLICY)
        wait_until(lambda: service.ledger()["totals"]["generations"])
        network.pull()
        other.begin(KITE, policy=POLICY)

    return cut


def spent(run, shared) -> tuple[int, int]:
    spend = json.loads(run("spend", "--json", variables=shared).stdout)
    return spend["billed"], spend["possible"]


def test_a_short_cut_costs_nothing(drivers, network, cut_off, shared, service, run):
    """The holder renews its lease in time, and both machines get its image."""
    cut_off(6)
    time.sleep(3)  # longer than the lease
    network.plug()
    (own,), (other,) = (driver.finish() for driver in drivers)
    assert (own["cached"], other["cached"]) == (False, True)
    assert own["id"] == other["id"]
    assert service.billed() == 1
    assert spent(run, shared) == (1, 0)


def test_a_long_cut_may_cost_a_second_image_that_is_on_the_ledger(
    drivers, network, cut_off, shared, service, run
):
    """Nobody can know whether the holder is alive; once it is back, it stores its image too."""
    cut_off(8)
    holder, heir = drivers
    (made,) = heir.finish()
    assert not made["cached"]
    assert any("may be billed" in note for note in made["notes"])
    assert spent(run, shared) == (1, 1)

    network.plug()
    (late,) = holder.finish()
    assert service.billed() == 2
    assert spent(run, shared) == (2, 0)
    verified = json.loads(run("verify", "--json", variables=shared).stdout)
    assert (verified["checked"], verified["findings"]) == (2, [])
    assert late["id"] != made["id"]
