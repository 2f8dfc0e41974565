"""Postgres is away in the middle of a call, for longer than a lease lasts."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.postgres_server import PostgresServer, run_postgres

AWAY_SECONDS, LATER_SECONDS = 35.0, 5.0
# A machine does not see the processes of another.
_AS_ROOT = () if os.geteuid() == 0 else ("--map-root-user",)
ON_A_MACHINE = ("unshare", *_AS_ROOT, "--pid", "--fork", "--mount-proc")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with run_postgres() as running:
        yield running


@pytest.fixture
def start(command, environment, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `stills generate` on a machine of its own."""
    started: list[subprocess.Popen[str]] = []

    def start_one(variables: dict[str, str]) -> subprocess.Popen[str]:
        home = tmp_path / f"machine {len(started)}"
        home.mkdir()
        own = {"HOME": str(home), "STILLS_SPOOL": str(home / "spool")}
        process = subprocess.Popen(
            [*ON_A_MACHINE, *command, "generate", "a kite", "--size", "1328*1328", "--json"],
            env=environment | variables | own,
            cwd=home,
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


def signal_program(unshare: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to the program that `unshare` has started."""
    pid = unshare.pid
    (program,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(program), number)


def test_a_call_is_not_repeated_while_postgres_is_away(start, start_service, server, wait_until):
    """The machine that waits for the image is back before the one that calls, and waits on."""
    service = start_service("--latency", "60")
    url = server.url("postgres").secret
    caller = start(service.variables | {"STILLS_CATALOG": url})
    wait_until(lambda: service.ledger()["totals"]["generations"])
    waiter = start(service.variables | {"STILLS_CATALOG": f"{url}&application_name=waiter"})
    wait_until(
        lambda: server.query(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE application_name = 'waiter' AND query = 'COMMIT')"
        )
    )
    server.control("stop", "-m", "fast")
    time.sleep(AWAY_SECONDS)
    signal_program(caller, signal.SIGSTOP)
    server.control("start")
    time.sleep(LATER_SECONDS)
    signal_program(caller, signal.SIGCONT)
    ended = [process.communicate(timeout=300) for process in (caller, waiter)]
    print(*(errors for _, errors in ended), sep="\n")
    assert [process.returncode for process in (caller, waiter)] == [0, 0]
    assert len({json.loads(output)["image_url"] for output, _ in ended}) == 1
    assert service.billed() == 1
