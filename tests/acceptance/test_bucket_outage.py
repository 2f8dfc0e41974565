"""The bucket is down while `stills batch` runs: few images are paid for, and none is lost."""

import asyncio
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.batch_command import write_rows
from tests.support.relay import relay

from stills.cli.text import images

Process = subprocess.Popen[str]
SHOTS, CONCURRENCY = 30, 2


class Outage:
    """A bucket behind a relay that can be closed and opened again."""

    def __init__(self, bucket: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._to_port = urlsplit(bucket["AWS_ENDPOINT_URL"]).port
        self.variables = {**bucket, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}"}

    @contextmanager
    def up(self) -> Iterator[None]:
        """Let requests through until the block ends."""
        listener = socket.create_server(("127.0.0.1", self._port))
        with relay(listener, lambda: asyncio.open_connection("127.0.0.1", self._to_port)):
            yield


@pytest.fixture
def outage(bucket: dict[str, str]) -> Outage:
    return Outage(bucket)


@pytest.fixture
def variables(outage: Outage, environment, service) -> dict[str, str]:
    model = {"STILLS_MODEL": "qwen-image-2.0", "STILLS_CONCURRENCY": str(CONCURRENCY)}
    return {**environment, **service.variables, **outage.variables, **model}


@pytest.fixture
def start_batch(command, variables, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Start a batch of all shots."""
    shots = write_rows(tmp_path / "shots.csv", SHOTS)
    started: list[Process] = []

    def start() -> Process:
        batch = subprocess.Popen(
            [*command, "batch", str(shots), "-o", "out"],
            env=variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(batch)
        return batch

    yield start
    for batch in started:
        batch.kill()
        batch.communicate()


def test_a_bucket_that_is_down_from_the_start_costs_nothing(start_batch, service):
    """The batch stops before anything is sent."""
    _, errors = start_batch().communicate(timeout=120)
    assert "nothing was sent" in errors
    assert service.ledger()["totals"]["generations"] == 0


def test_a_bucket_that_goes_down_costs_only_what_was_under_way(
    start_batch, outage, variables, service, run, wait_until, tmp_path
):
    """Those images are in the spool; `recover` stores them, and the next run loses nothing."""
    service.set_faults({"kind": "slow", "times": None, "delay_seconds": 0.2})
    with outage.up():
        batch = start_batch()
        wait_until(lambda: service.billed() >= 2 * CONCURRENCY)
    before = service.billed()
    _, errors = batch.communicate(timeout=300)
    assert "stopped early" in errors
    spooled = list(tmp_path.glob("home/.local/state/stills/spool/*.png"))
    assert 1 <= len(spooled) <= 2 * CONCURRENCY
    billed = service.billed()
    assert billed <= before + 2 * CONCURRENCY

    with outage.up():
        recovered = run("recover", variables=variables)
        assert recovered.stdout.endswith(f"{images(len(spooled))} recovered, 0 not\n")
        assert service.billed() == billed
        again = start_batch()
        again.communicate(timeout=300)
        assert again.returncode == 0
    assert service.billed() == SHOTS
