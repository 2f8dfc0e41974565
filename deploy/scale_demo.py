"""A small model of several machines, as plain processes: `make scale-demo`.

Postgres, an S3 server, two services and two workers share one sandbox. A list of shots is
submitted, a worker is killed in the middle, and the other one finishes the list.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.postgres_server import run_postgres
from tests.support.seaweed import serve_seaweed

SHOTS = 40
KILL_AFTER = 10

STILLS = [sys.executable, "-m", "stills"]


class Machines:
    """The processes of the demonstration; all end with it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.variables: dict[str, str] = {}

    def start(self, name: str, *command: str) -> subprocess.Popen[str]:
        """Start a machine: a process with a home and a spool of its own."""
        home = self._folder / name
        home.mkdir()
        log = self._stack.enter_context((home / "log").open("w"))
        process = subprocess.Popen(
            [*STILLS, *command],
            env={"PATH": os.environ["PATH"], "HOME": str(home), **self.variables},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process


def main() -> None:
    """Run the demonstration."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stills-")))
        machines = Machines(stack, folder)
        say("Starting the sandbox, Postgres and an S3 server ...")
        machines.variables |= read_exports(
            machines.start("provider", "sandbox", "--port", "0", "--latency", "0.3")
        )
        postgres = stack.enter_context(run_postgres())
        postgres.run("CREATE DATABASE stills")
        (folder / "s3").mkdir()
        machines.variables |= stack.enter_context(serve_seaweed(folder / "s3"))
        machines.variables |= {
            "STILLS_CATALOG": postgres.url("stills").secret,
            "STILLS_STORE": "s3://bucket/images",
            "STILLS_RATE_LIMIT": "20/s",
        }
        say("Starting two services and two workers ...")
        services = [
            read_line(machines.start(f"serve-{number}", "serve", "--port", "0", "--insecure"))
            for number in (1, 2)
        ]
        first, second = (line.split()[3].removesuffix("/v1") for line in services)
        workers = [machines.start(f"worker-{n}", "worker", "--concurrency", "4") for n in (1, 2)]
        for worker in workers:
            read_line(worker)
        shots = [
            {"id": f"shot {n}", "prompt": f"kite {n}", "size": "640*360"} for n in range(SHOTS)
        ]
        job = call(f"{first}/v1/jobs", {"shots": shots, "name": "demonstration"})
        say(f"Submitted {SHOTS} shots to {first} as job {job['id']}.")
        job = wait_for(second, job["id"], lambda job: job["counts"]["done"] >= KILL_AFTER)
        workers[0].send_signal(signal.SIGKILL)
        say(f"Killed a worker after {job['counts']['done']} shots.")
        job = wait_for(second, job["id"], lambda job: job["state"] in ("done", "failed"))
        report(job, call(f"{second}/v1/jobs/{job['id']}?limit=1000"))


def wait_for(service: str, job_id: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask a service for a job until something is true of it."""
    shown = ""
    while True:
        job = call(f"{service}/v1/jobs/{job_id}")
        progress = f"  {job['counts']['done']}/{job['counts']['total']} done"
        if progress != shown:
            say(progress)
            shown = progress
        if true(job):
            return job
        time.sleep(0.5)


def report(job: Mapping[str, Any], page: Mapping[str, Any]) -> None:
    """Print what was made and billed."""
    counts, spend = job["counts"], job["spend"]
    say(f"The job is {job['state']}: {counts['done']} images, {counts['failed']} failed.")
    say(
        f"Billed: {spend['billed']} calls, {spend['billed_usd']} USD (simulated); possibly "
        f"{spend['possible']} more, which the kill interrupted."
    )
    for one in page["results"]:
        if one["error"] is not None:
            say(f"  {one['id']}: {one['error']['message']} {one['error']['action']}")


def call(url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Send a request to a service; returns its JSON."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the first line of a process, which it prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        sys.exit("A process ended at once.")
    return line


def read_exports(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the variables that the sandbox prints."""
    variables = {}
    while len(variables) < 2:
        name, _, value = read_line(process).strip().removeprefix("export ").partition("=")
        if name.startswith("DASHSCOPE_"):
            variables[name] = value
    return variables


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
