"""The workers of `stills serve` when the process that started them is killed."""

import os
import select
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.serve_process import Server

KITE = {"prompt": "a red kite", "size": "512*512", "seed": 7}


def have_all_ended(server: Server) -> bool:
    """Return whether all processes of a service have ended: each holds its standard output open."""
    output = server.process.stdout
    return bool(select.select([output], [], [], 0)[0]) and os.read(output.fileno(), 4096) == b""


def test_workers_finish_and_stop_when_their_parent_is_killed(
    serve: Callable[..., Server], start_service, run, wait_until
):
    """The call in flight is answered and stored, and no worker is left that could spend."""
    sandbox = start_service("--latency", "2")
    service = serve("--workers", "2", **sandbox.variables)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(service.ask, KITE)
        wait_until(lambda: sandbox.ledger()["sends"])
        service.stop(signal.SIGKILL)
        assert asking.result(60)["seed"] == 7
    wait_until(lambda: have_all_ended(service))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{service.url}/healthz", timeout=20)
    assert sandbox.billed() == 1
    assert "512*512" in run("list").stdout


def test_the_next_start_removes_what_a_killed_service_left(
    serve: Callable[..., Server], tmp_path: Path, wait_until
):
    """Its metrics are removed once no worker writes them; those of a running service stay."""
    folder = tmp_path / "tmp"
    folder.mkdir()

    def start() -> Server:
        service = serve("--workers", "2", "--sandbox", TMPDIR=str(folder))
        service.ask(KITE)
        return service

    killed = start()
    (left,) = folder.glob("stills-metrics-*")
    living = start()
    killed.stop(signal.SIGKILL)
    wait_until(lambda: have_all_ended(killed))
    assert left.exists()
    next_one = start()
    assert not left.exists()
    assert len(list(folder.glob("stills-metrics-*"))) == 2
    assert next_one.stop() == living.stop() == 0
    assert not list(folder.iterdir())
