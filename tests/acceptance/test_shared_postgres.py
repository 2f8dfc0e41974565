"""Machines with a spool each that share one catalog in Postgres and one bucket."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.machines import make_machine
from tests.support.postgres_server import PostgresServer, run_postgres

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def start(command, environment, bucket, tmp_path: Path) -> Iterator[Start]:
    """Start `stills generate` on a machine of its own."""
    started: list[subprocess.Popen[str]] = []

    def start_one(prompt: str, variables: dict[str, str]) -> subprocess.Popen[str]:
        machine = make_machine(tmp_path, f"worker-{len(started)}")
        process = subprocess.Popen(
            machine.command(*command, "generate", prompt, "--size", "1328*1328", "--json"),
            env={**environment, **bucket, **variables, **machine.variables()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[int, dict[str, object]]:
    """Wait for a process; returns its exit code and its result, if it has one."""
    output, errors = process.communicate(timeout=300)
    print(errors)
    return process.returncode, json.loads(output) if output else {}


def test_sixteen_machines_that_want_one_image_pay_once(start, start_service, postgres_url):
    """All of them get it."""
    service = start_service("--latency", "2")
    variables = service.variables | {"STILLS_CATALOG": postgres_url.secret}
    ended = [finish(each) for each in [start("a red kite", variables) for _ in range(16)]]
    assert [code for code, _ in ended] == [0] * 16
    assert service.billed() == 1
    assert len({result["id"] for _, result in ended}) == 1
    assert [result["cached"] for _, result in ended].count(False) == 1


def test_a_process_that_waits_listens_on_one_connection(
    start, start_service, own_server, wait_until
):
    """It gets the image that another process pays for, and disconnects."""
    service = start_service("--latency", "8")
    variables = service.variables | {"STILLS_CATALOG": own_server.url("postgres").secret}
    payer = start("a red kite", variables)
    wait_until(lambda: service.ledger()["totals"]["generations"])
    waiter = start("a red kite", variables)
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
    wait_until(lambda: own_server.query(listening) == 1)
    assert [finish(each)[0] for each in (payer, waiter)] == [0, 0]
    assert service.billed() == 1
    wait_until(lambda: own_server.query(listening) == 0)


def test_a_cap_holds_for_all_machines(start, service, postgres_url):
    """Of six images at 0.075 USD, a budget of 0.30 USD pays for four."""
    catalog = {"STILLS_CATALOG": postgres_url.secret, "STILLS_BUDGET_USD": "0.30"}
    variables = service.variables | catalog
    ended = [finish(each) for each in [start(f"kite {n}", variables) for n in range(6)]]
    assert sorted(code for code, _ in ended) == [0, 0, 0, 0, 4, 4]
    assert service.billed() == 4


def test_postgres_may_be_away_during_a_call(start, start_service, own_server, wait_until):
    """The call is not repeated, and the machine that waits for its image gets it too."""
    service = start_service("--latency", "10")
    url = own_server.url("postgres").secret
    machines = [
        start(
            "a red kite", service.variables | {"STILLS_CATALOG": f"{url}&application_name={name}"}
        )
        for name in ("one", "two")
    ]

    def connected() -> bool:
        return own_server.query(
            "SELECT count(DISTINCT application_name) = 2 FROM pg_stat_activity "
            "WHERE application_name IN ('one', 'two') AND query = 'COMMIT'"
        )

    wait_until(lambda: service.ledger()["totals"]["generations"] and connected())
    own_server.control("stop", "-m", "fast")
    time.sleep(5)
    own_server.control("start")
    assert [finish(each)[0] for each in machines] == [0, 0]
    assert service.billed() == 1
