"""Fixtures that run the installed `stills` command as a user does."""

import json
import os
import queue
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.batch_command import Batch, into_out, write_rows
from tests.support.machines import Machine
from tests.support.progress_lines import without_progress
from tests.support.seaweed import serve_seaweed
from tests.support.serve_process import Server
from tests.support.warm_commands import WarmCommands, open_warm_commands

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A new user: no key, an empty home, nothing stored."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {"HOME": str(tmp_path / "home"), "OUTPUT_DIR": str(tmp_path / "output")}


@pytest.fixture
def command() -> list[str]:
    """How to start `stills` with the interpreter of the tests."""
    return [sys.executable, "-m", "stills"]


@pytest.fixture(scope="session")
def warm_commands() -> Iterator[WarmCommands]:
    """Starts commands quickly."""
    with open_warm_commands() as opened:
        yield opened


@pytest.fixture
def run(warm_commands: WarmCommands, environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `stills` to its end; progress lines are left out of its standard error."""

    def run_stills(
        *arguments: str, variables: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = warm_commands.run(
            *arguments,
            env=environment | (variables or {}),
            cwd=tmp_path,
            stdin=stdin,
            timeout_seconds=60,
        )
        done.stderr = without_progress(done.stderr)
        return done

    return run_stills


@dataclass(frozen=True)
class Service:
    """A `stills sandbox` in another process, and its control routes."""

    variables: dict[str, str]
    control_url: str

    def set_faults(self, *faults: dict[str, Any]) -> None:
        self._call("faults", json.dumps(faults).encode())

    def ledger(self) -> dict[str, Any]:
        return self._call("ledger")

    def billed(self) -> int:
        return self.ledger()["totals"]["billed_images"]

    def _call(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.control_url}/{path}", body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture
def start_service(
    warm_commands: WarmCommands, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., Service]]:
    """Start sandboxes as other programs would, using the output of `stills sandbox`."""
    with ExitStack() as running:

        def start(*arguments: str) -> Service:
            sandbox = warm_commands.running("sandbox", *arguments, env=environment, cwd=tmp_path)
            process = running.enter_context(sandbox)
            base, key, control = (process.stdout.readline().rstrip("\n") for _ in range(3))
            exported = dict(line.removeprefix("export ").split("=", 1) for line in (base, key))
            return Service(exported, control.rpartition(" ")[2])

        yield start


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    """A sandbox without faults."""
    return start_service()


@pytest.fixture
def rng() -> random.Random:
    """A random generator whose seed is printed and can be set, to repeat a failed run."""
    seed = os.environ.get("STILLS_TEST_SEED") or secrets.token_hex(4)
    print(f"STILLS_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], Any]], Any]:
    """Poll until a value is true and return it; fail after a minute."""

    def wait(happened: Callable[[], Any]) -> Any:
        give_up = time.monotonic() + 60
        while not (value := happened()):
            assert time.monotonic() < give_up, "it never happened"
            time.sleep(0.02)
        return value

    return wait


@pytest.fixture
def rows(environment: dict[str, str]) -> Callable[..., list[tuple[Any, ...]]]:
    """Query the catalog in SQL."""
    path = Path(environment["OUTPUT_DIR"]) / "ai-image-qwen-image" / "stills.db"

    def read(query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, timeout=20)) as catalog:
            return catalog.execute(query, values).fetchall()

    return read


class Driver:
    """Runs tests/support/killable_process.py, one process at a time; see there for its protocol."""

    def __init__(self, environment: dict[str, str], machine: Machine | None = None) -> None:
        program = Path(__file__).parents[1] / "support" / "killable_process.py"
        command = [sys.executable, str(program)]
        self._process = subprocess.Popen(
            command if machine is None else machine.command(*command),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.pid: int | None = None
        self.wait_for("ready")

    def begin(self, *requests: dict[str, Any], **job: Any) -> None:
        """Start a process with requests."""
        self._process.stdin.write(json.dumps({"requests": requests, **job}) + "\n")
        self._process.stdin.flush()
        self.pid = self.wait_for("begun")["pid"]

    def wait_for(self, *kinds: str) -> dict[str, Any]:
        """Wait for the next event of these kinds; skip all others."""
        return self.collect(*kinds)[-1]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def pause(self) -> None:
        """Pause the process."""
        self.signal(signal.SIGSTOP)
        self.wait_for("paused")

    def wake(self) -> None:
        """Resume a paused process."""
        self.signal(signal.SIGCONT)

    def kill(self) -> list[dict[str, Any]]:
        """Kill the process; returns its last events."""
        self.signal(signal.SIGKILL)
        events = self.collect("ended")
        assert events[-1]["code"] == -signal.SIGKILL
        return events

    def kill_if_running(self) -> list[dict[str, Any]]:
        """Kill the process, unless it has just ended; returns its last events."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        return self.collect("ended")

    def kill_machine(self) -> None:
        """Kill all processes of the driver's machine."""
        self._process.kill()
        self._process.wait(timeout=20)
        self.pid = None

    def finish(self) -> list[dict[str, Any]]:
        """Wait for the process to end; returns its results in order of arrival."""
        events = self.collect("ended")
        failed = [event for event in events if event["event"] == "failed"]
        assert (events[-1]["code"], failed) == (0, [])
        return [event for event in events if event["event"] == "done"]

    def close(self) -> None:
        """End all processes."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._reader.join(timeout=20)
        self._process.stdout.close()

    def collect(self, *kinds: str) -> list[dict[str, Any]]:
        """Wait for the next event of these kinds; returns it and those before it."""
        events = [self._events.get(timeout=120)]
        while events[-1]["event"] not in kinds:
            assert events[-1]["event"] != "ended", events
            events.append(self._events.get(timeout=120))
        if events[-1]["event"] == "ended":
            self.pid = None
        return events

    def _read(self) -> None:
        for line in self._process.stdout:
            self._events.put(json.loads(line))
        self._events.put({"event": "ended", "code": "the driver is gone"})


@pytest.fixture
def start_driver(environment: dict[str, str]) -> Iterator[Callable[[Service], Driver]]:
    """Start processes that use a service, and the catalog and store of the test."""
    drivers: list[Driver] = []

    def start(service: Service) -> Driver:
        driver = Driver(environment | service.variables)
        drivers.append(driver)
        return driver

    yield start
    for driver in drivers:
        driver.close()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of an S3 server for all tests of this process."""
    with serve_seaweed(tmp_path_factory.mktemp("seaweed")) as variables:
        yield variables


@pytest.fixture
def bucket(s3_server: dict[str, str]) -> dict[str, str]:
    """The variables of an empty store in a bucket."""
    return {**s3_server, "STILLS_STORE": f"s3://bucket/{secrets.token_hex(4)}"}


@pytest.fixture
def as_root() -> Callable[..., None]:
    """Run a command that only root may run."""

    def run_command(*command: str) -> None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*sudo, *command], check=True, timeout=20)

    return run_command


@pytest.fixture
def make_disk(as_root: Callable[..., None], tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a small disk of this many KiB; skip the test if that is not allowed."""
    disk = tmp_path / "disk"
    mounted = False

    def mount(kib: int) -> Path:
        nonlocal mounted
        disk.mkdir()
        try:
            as_root("mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=777", "tmpfs", str(disk))
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"mounting a small disk needs root or passwordless sudo: {error}")
        mounted = True
        return disk

    yield mount
    if mounted:
        as_root("umount", str(disk))


@pytest.fixture
def serve(command: list[str], environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Start services, and end them with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, says: str = "answers", **variables: str) -> Server:
        with (tmp_path / "log").open("a") as log:
            process = subprocess.Popen(
                [*command, "serve", "--port", "0", *options],
                env=environment | variables, cwd=tmp_path, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        started.append(process)
        return Server(process, says)

    yield start
    for process in started:
        with suppress(ProcessLookupError):  # workers may outlive their parent
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A CSV file with distinct rows, for `stills batch`."""
    return write_rows(tmp_path / "shots.csv")


@pytest.fixture
def batch(run, service) -> Batch:
    """Run `stills batch` with the output folder `out` on the service."""
    return into_out(run, service)
