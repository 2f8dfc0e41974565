"""Durable jobs: how fast a long list is accepted, and how well three workers use a rate limit.

Accepting: 1,000 and 100,000 shots, each in a process of its own, through `stills.jobs.submit` and
through `stills batch --queue`; wall time, CPU and memory. Target: 100,000 in at most 10 s, with no
more memory than 1,000.

The limit: 600 shots at 20/s over three workers, on a sandbox with 300 ms of latency that enforces
20/s itself. Target: at least 95 % of the limit is used between the first call and the last in the
ledger, and no call is refused. STILLS_CATALOG may name an empty Postgres database.

Memory: the peak of one worker over jobs of 1,000 and of 100,000 shots. Every shot is one of 100
images of a stub, so the rest is answered from the catalog. Target: at most 10 % more.
"""

import argparse
import asyncio
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import batch_sandbox
import fast_stub

from stills import ImageRequest, Stills
from stills.contract.jobs import JobShot

SHOTS = (1000, 100_000)
ACCEPT_SECONDS = 10.0
LIMITED_SHOTS, LIMIT_PER_SECOND, WORKERS = 600, 20, 3
TARGET = 0.95
DIFFERENT_SHOTS, MEMORY_TARGET = 100, 1.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submit", type=int, metavar="N", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=["accept", "limit", "memory"], help="one part")
    options = parser.parse_args()
    if options.submit:
        return asyncio.run(submit(options.submit))
    parts = {"accept": _accept, "limit": _limit, "memory": _memory}
    met = [run() for name, run in parts.items() if options.only in (None, name)]
    return 0 if all(met) else 1


def shots(number: int, different: int = sys.maxsize) -> Iterator[JobShot]:
    for count in range(number):
        prompt = f"a red kite, picture {count % different}"
        request = ImageRequest(prompt=prompt, size="1024*1024", seed=7)
        yield JobShot(f"s{count:06}", request)


async def submit(number: int) -> int:
    async with Stills.from_env(sandbox=True) as stills:
        began = time.perf_counter()
        await stills.jobs.submit(shots(number), model="qwen-image-max")
        seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{seconds:.2f} {used.ru_utime + used.ru_stime:.2f} {used.ru_maxrss / 1024:.0f}")
    return 0


def _accept() -> bool:
    print(f"{'through':>22}{'shots':>9}{'seconds':>9}{'CPU':>7}{'MB':>6}")
    slowest = 0.0
    for number in SHOTS:
        with tempfile.TemporaryDirectory() as folder:
            here = os.environ | {"OUTPUT_DIR": folder}
            command = [sys.executable, __file__, "--submit", str(number)]
            done = subprocess.run(command, env=here, capture_output=True, text=True, check=True)
            seconds, cpu, memory = done.stdout.split()
            print(f"{'stills.jobs.submit':>22}{number:9}{seconds:>9}{cpu:>7}{memory:>6}")
            slowest = max(slowest, float(seconds))
            table = Path(folder) / "shots.csv"
            with table.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["id", "prompt", "size"])
                for count in range(number):
                    writer.writerow([f"s{count:06}", f"a red kite, picture {count}", "1024*1024"])
            began = time.perf_counter()
            command = [sys.executable, "-m", "stills", "batch", str(table)]
            subprocess.run(
                [*command, "--sandbox", "--queue", "--yes"], env=here, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            taken = time.perf_counter() - began
            print(f"{'stills batch --queue':>22}{number:9}{taken:9.2f}", flush=True)
            slowest = max(slowest, taken)
    met = slowest <= ACCEPT_SECONDS
    print(f"target: {SHOTS[-1]} in {ACCEPT_SECONDS:.0f} s: {'met' if met else 'MISSED'}")
    return met


def _limit() -> bool:
    options = ("--latency", "0.3", "--rate", str(LIMIT_PER_SECOND))
    with batch_sandbox.running(*options) as sandbox, tempfile.TemporaryDirectory() as at:
        limit = {"STILLS_RATE_LIMIT": f"{LIMIT_PER_SECOND}/s", "STILLS_CONCURRENCY": "16"}
        here = os.environ | batch_sandbox.environment(Path(at), sandbox.base_url, **limit)
        job = asyncio.run(_submit(here, shots(LIMITED_SHOTS)))
        command = [sys.executable, "-m", "stills", "worker"]
        workers = [
            subprocess.Popen(command, env=here, stdout=subprocess.DEVNULL) for _ in range(WORKERS)
        ]
        try:
            starts = asyncio.run(_starts(here, job))
            refused = sum(send["code"] == "Throttling.RateQuota" for send in sandbox.sends())
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()
    seconds = starts[-1] - starts[0]
    used = (len(starts) - 1) / seconds / LIMIT_PER_SECOND
    print(f"{len(starts)} calls in {seconds:.2f} s: {used:.3f} of the limit, {refused} refused")
    met = used >= TARGET and refused == 0
    print(f"target: {TARGET:.2f}, none refused: {'met' if met else 'MISSED'}")
    return met


def _memory() -> bool:
    peaks = [_worker_peak(number) for number in SHOTS]
    met = peaks[-1] <= MEMORY_TARGET * peaks[0]
    print(f"target: at most {MEMORY_TARGET} times the first: {'met' if met else 'MISSED'}")
    return met


def _worker_peak(number: int) -> float:
    """Return the peak memory in MB of a worker that does a job alone."""
    with fast_stub.running(plain=True) as base_url, tempfile.TemporaryDirectory() as at:
        here = os.environ | batch_sandbox.environment(Path(at), base_url)
        job = asyncio.run(_submit(here, shots(number, DIFFERENT_SHOTS)))
        began = time.perf_counter()
        command = [sys.executable, "-m", "stills", "worker"]
        worker = subprocess.Popen(command, env=here, stdout=subprocess.DEVNULL)
        try:
            asyncio.run(_wait(here, job))
            status = Path(f"/proc/{worker.pid}/status").read_text()
        finally:
            worker.terminate()
            worker.wait()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    seconds = time.perf_counter() - began
    print(f"{number} shots: {int(peak) / 1024:.0f} MB, {seconds:.0f} s", flush=True)
    return int(peak) / 1024


async def _submit(here: dict[str, str], listed: Iterator[JobShot]) -> str:
    async with Stills.from_env(environment=here) as stills:
        return (await stills.jobs.submit(listed, model="qwen-image-max")).id


async def _wait(here: dict[str, str], job_id: str) -> None:
    async with Stills.from_env(environment=here) as stills:
        while (await stills.jobs.get(job_id)).state.is_active:
            await asyncio.sleep(1)


async def _starts(here: dict[str, str], job_id: str) -> list[float]:
    """Wait for the end of the job; returns when its calls were sent, by the ledger."""
    await _wait(here, job_id)
    async with Stills.from_env(environment=here) as stills:
        starts: list[float] = []
        after = -1
        while page := await stills.jobs.results(job_id, after=after, limit=200):
            for one in page:
                assert one.result is not None, one.failure
                details = await stills.images.show(one.result.id)
                starts += [send.sent_at for send in details.sends]
            after = page[-1].position
    return sorted(starts)


if __name__ == "__main__":
    sys.exit(main())
