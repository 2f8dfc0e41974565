"""The Postgres server is lost during a batch, and its replica promoted."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.support.batch_command import write_rows
from tests.support.machines import Machine, make_machine
from tests.support.postgres_server import PostgresServer, run_postgres, run_replica

MACHINES, SHOTS = 2, 12
SENT = "SELECT count(*) FROM stills.sends"
HAS_ALL = "SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication"


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    with run_postgres() as server:
        yield server


@pytest.fixture
def replica(primary: PostgresServer, wait_until) -> Iterator[PostgresServer]:
    with run_replica(primary) as server:
        wait_until(lambda: primary.query("SELECT count(*) = 1 FROM pg_stat_replication"))
        yield server


@pytest.fixture
def shared(environment, service, bucket, primary, replica) -> Mapping[str, str]:
    """The variables of all machines: the catalog's URL names both servers."""
    sockets = ",".join(str(server.folder / "socket") for server in (primary, replica))
    url = primary.url("postgres").secret.partition("?")[0]
    catalog = f"{url}?host={sockets}&target_session_attrs=read-write"
    model = {"STILLS_MODEL": "qwen-image-2.0", "STILLS_CONCURRENCY": "2"}
    return {**environment, **service.variables, **bucket, **model, "STILLS_CATALOG": catalog}


@pytest.fixture
def machines(tmp_path: Path) -> list[Machine]:
    return [make_machine(tmp_path, f"worker-{number}") for number in range(MACHINES)]


@pytest.fixture
def start_batch(command, shared, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a batch of a machine's own shots."""
    started: list[subprocess.Popen[str]] = []

    def start(machine: Machine) -> subprocess.Popen[str]:
        shots = write_rows(tmp_path / f"{machine.name}.csv", SHOTS, f"{machine.name} {{}}")
        process = subprocess.Popen(
            machine.command(*command, "batch", str(shots), "-o", "out"),
            env={**shared, **machine.variables()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def fail_over(primary: PostgresServer, replica: PostgresServer) -> None:
    primary.control("stop", "-m", "immediate")
    replica.control("promote")


def test_a_failover_to_a_synchronous_replica_loses_no_call(
    machines, start_batch, primary, replica, shared, service, run, wait_until
):
    """Every call is on the ledger of the new server, and no image is paid for twice."""
    primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.run("SELECT pg_reload_conf()")
    wait_until(lambda: primary.query("SELECT sync_state = 'sync' FROM pg_stat_replication"))
    service.set_faults({"kind": "slow", "times": None, "delay_seconds": 0.5})
    batches = [start_batch(machine) for machine in machines]
    wait_until(lambda: service.billed() >= SHOTS / 2)
    fail_over(primary, replica)
    for batch in batches:
        print(*batch.communicate(timeout=300))
    assert replica.query(SENT) >= service.ledger()["totals"]["generations"] > SHOTS / 2

    for batch in [start_batch(machine) for machine in machines]:
        print(*batch.communicate(timeout=300))
        assert batch.returncode == 0
    spend = json.loads(run("spend", "--json", variables=shared).stdout)
    assert spend["billed"] == MACHINES * SHOTS
    assert service.billed() <= spend["billed"] + spend["possible"]
    print(f"{service.billed()} billed; on the ledger {spend['billed']} + {spend['possible']}")


def test_what_an_asynchronous_replica_had_not_received_is_found_in_the_bucket(
    machines, start_batch, primary, replica, shared, service, run, wait_until
):
    """`recover --rebuild` adds it to the catalog and the ledger, and nothing is paid for twice."""
    start_batch(machines[0]).communicate(timeout=300)
    wait_until(lambda: primary.query(HAS_ALL))
    replica.run("ALTER SYSTEM SET primary_conninfo = ''")
    replica.run("SELECT pg_reload_conf()")
    wait_until(lambda: primary.query("SELECT count(*) = 0 FROM pg_stat_replication"))
    start_batch(machines[1]).communicate(timeout=300)
    assert service.billed() == MACHINES * SHOTS
    fail_over(primary, replica)
    assert replica.query(SENT) == SHOTS

    rebuilt = run("recover", "--rebuild", variables=shared)
    assert rebuilt.stdout.endswith(f"{SHOTS} images recovered, 0 not\n"), rebuilt.stderr
    for machine in machines:
        _, summary = start_batch(machine).communicate(timeout=300)
        assert f"0 new, {SHOTS} from the catalog" in summary
    assert json.loads(run("spend", "--json", variables=shared).stdout)["billed"] == service.billed()
    assert service.billed() == MACHINES * SHOTS
