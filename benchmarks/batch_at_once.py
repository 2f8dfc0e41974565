"""32 concurrent requests without a rate limit: 500 images at 200 ms latency, against the ideal.

The ideal is 500 / 32 * 0.2 s = 3.125 s, if only the service took time. The sandbox renders each
image when it is downloaded, on the same cores: 4 ms of CPU at 512*512, a size that qwen-image-2.0
makes, and 10 at 1328*1328. So it is shown for scale, and the target is for a stub whose images of
1328*1328 cost nothing (fast_stub.py). One image before each run loads what is loaded only once.
Target: within 15 % of the ideal.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import batch_sandbox
import fast_stub

from stills import Stills

IMAGES, AT_ONCE = 500, 32
LATENCY_SECONDS = 0.2
IDEAL_SECONDS = IMAGES / AT_ONCE * LATENCY_SECONDS
TARGET = 1.15
MAX, SMALL = ("qwen-image-max", "1328*1328"), ("qwen-image-2.0", "512*512")
STUB, SANDBOX, LARGE = "stub", "sandbox 512*512", "sandbox 1328*1328"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5")
    rounds = parser.parse_args().rounds
    runs: dict[str, list[tuple[float, float]]] = {STUB: [], SANDBOX: [], LARGE: []}
    for _ in range(rounds):
        with fast_stub.running(latency_seconds=LATENCY_SECONDS, plain=True) as base_url:
            runs[STUB].append(_run(base_url, *MAX))
        with batch_sandbox.running("--latency", str(LATENCY_SECONDS)) as sandbox:
            runs[SANDBOX].append(_run(sandbox.base_url, *SMALL))
            runs[LARGE].append(_run(sandbox.base_url, *MAX))
    return _report(runs)


def _run(base_url: str, model: str, size: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_batch(Path(folder), base_url, model, size))


async def _batch(folder: Path, base_url: str, model: str, size: str) -> tuple[float, float]:
    """Generate all images; returns the seconds it took, and the CPU seconds of this process."""
    environment = batch_sandbox.environment(
        folder, base_url, STILLS_RATE_LIMIT="none", STILLS_MODEL=model
    )
    async with Stills.from_env(environment=environment) as stills:
        await stills.generate(replace(batch_sandbox.WARM_UP, size=size))
        requests = batch_sandbox.requests(IMAGES, size=size)
        began, cpu = time.perf_counter(), time.process_time()
        async for outcome in stills.generate_many(requests, concurrency=AT_ONCE):
            assert outcome.result is not None
        return time.perf_counter() - began, time.process_time() - cpu


def _report(runs: dict[str, list[tuple[float, float]]]) -> int:
    print(f"{'':18}{'median':>9}{'best':>9}{'of ideal':>10}{'best':>7}{'CPU an image':>14}")
    medians = {}
    for name, values in runs.items():
        seconds = [one for one, _ in values]
        medians[name], best = statistics.median(seconds), min(seconds)
        cpu_ms = 1000 * statistics.median(cpu for _, cpu in values) / IMAGES
        print(f"{name:18}{medians[name]:7.2f} s{best:7.2f} s", end="")
        print(f"{medians[name] / IDEAL_SECONDS:10.2f}{best / IDEAL_SECONDS:7.2f}{cpu_ms:11.1f} ms")
    met = medians[STUB] <= TARGET * IDEAL_SECONDS
    print(f"ideal {IDEAL_SECONDS:.3f} s; target: within {TARGET:.2f}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
