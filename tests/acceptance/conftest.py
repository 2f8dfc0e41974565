"""The installed `stills` command, run as a user runs it."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A fresh user: no key, an empty home, nothing kept."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {"HOME": str(tmp_path / "home"), "OUTPUT_DIR": str(tmp_path / "output")}


@pytest.fixture
def command() -> list[str]:
    """How to start `stills` with the interpreter of the tests."""
    return [sys.executable, "-m", "stills"]


@pytest.fixture
def run(command: list[str], environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `stills` to its end."""

    def run_stills(
        *arguments: str, variables: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            env=environment | (variables or {}),
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_stills


@dataclass(frozen=True)
class Service:
    """A `stills sandbox` in a process of its own, and its control plane."""

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
    command: list[str], environment: dict[str, str]
) -> Iterator[Callable[..., Service]]:
    """Start sandboxes as other programs would, by what `stills sandbox` prints."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Service:
        process = subprocess.Popen(
            [*command, "sandbox", *arguments], env=environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        base, key, control = (process.stdout.readline().rstrip("\n") for _ in range(3))
        exported = dict(line.removeprefix("export ").split("=", 1) for line in (base, key))
        return Service(exported, control.rpartition(" ")[2])

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    """One sandbox with no faults."""
    return start_service()
