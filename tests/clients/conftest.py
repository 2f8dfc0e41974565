"""Fixtures that run public clients against `stills serve` and `stills sandbox`."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.clients import install
from tests.clients.matrix import MODEL_ALIASES
from tests.support.serve_process import Server

CLIENT_SECONDS = 120

Report = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SandboxProcess:
    """A running `stills sandbox`."""

    variables: dict[str, str]
    url: str


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A new user, for services and clients: no key, an empty home, nothing stored."""
    folder = tmp_path_factory.mktemp("home")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OUTPUT_DIR": str(folder / "output"),
        "STILLS_MODEL_ALIASES": MODEL_ALIASES,
    }


@pytest.fixture(scope="session")
def service(home: dict[str, str]) -> Iterator[Server]:
    """A `stills serve` with the sandbox, for all clients."""
    with _started("serve", "--sandbox", "--port", "0", home=home) as process:
        yield Server(process)


@pytest.fixture(scope="session")
def sandbox(home: dict[str, str]) -> Iterator[SandboxProcess]:
    """A `stills sandbox`, for clients of DashScope."""
    with _started("sandbox", "--port", "0", home=home) as process:
        base, key = (process.stdout.readline().rstrip("\n") for _ in range(2))
        variables = dict(line.removeprefix("export ").split("=", 1) for line in (base, key))
        url = variables["DASHSCOPE_HTTP_BASE_URL"].removesuffix("/api/v1")
        yield SandboxProcess(variables, url)


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory, testrun_uid: str
) -> Callable[[str, Callable[[], Report]], Report]:
    """Run each program once, in one of the workers of pytest-xdist; all share what it did."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent / f"clients-{testrun_uid}"
        folder.mkdir(exist_ok=True)

    def run(name: str, work: Callable[[], Report]) -> Report:
        done = folder / f"{name}.json"
        with (folder / f"{name}.busy").open("w") as busy:
            fcntl.flock(busy, fcntl.LOCK_EX)
            if not done.exists():
                done.write_text(json.dumps(work()))
        return json.loads(done.read_text())

    return run


@pytest.fixture(scope="session")
def run_python(home: dict[str, str], once: Callable[..., Report]) -> Callable[..., Report]:
    """Run a program of python/ with the packages of a lock file; returns what its steps did."""

    def run(packages: str, program: str, *arguments: str, **variables: str) -> Report:
        python = install.venv(packages) / "bin" / "python"
        command = (str(python), str(install.HERE / "python" / program), *arguments)
        return once(f"{packages}-{program}", lambda: report(*command, home=home | variables))

    return run


@pytest.fixture(scope="session")
def run_node(home: dict[str, str], once: Callable[..., Report]) -> Callable[..., Report]:
    """Run a program of a folder in node/; returns what its steps did."""

    def run(packages: str, program: str, *arguments: str, **variables: str) -> Report:
        command = (str(install.node()), str(install.node_folder(packages) / program), *arguments)
        return once(f"{packages}-{program}", lambda: report(*command, home=home | variables))

    return run


def report(*command: str, home: dict[str, str]) -> Report:
    """Run a program to its end and read the JSON that it prints last."""
    ended = subprocess.run(
        command,
        env=home,
        cwd=home["HOME"],
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@contextmanager
def _started(*arguments: str, home: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with Path(home["HOME"], f"{arguments[0]}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stills", *arguments],
            env=home, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)
