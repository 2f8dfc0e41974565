"""Quota use: 600 requests at a limit of 20/s, 300 ms latency, 3 % of 429 and 5xx faults.

Stills is set to STILLS_RATE_LIMIT=20/s, and the sandbox enforces 20/s itself, so every call beyond
the limit gets a 429. Ideally, every permitted start is used; failed calls count towards the limit
too. Target: at least 95 % of the ideal rate, no call refused except by a fault, one billed image
per prompt, and none lost.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import batch_sandbox

from stills import Stills

LIMIT_PER_SECOND = 20
REQUESTS = 600
TARGET = 0.95
FAULTS = ("throttled", "internal_error", "unavailable")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="3")
    rounds = parser.parse_args().rounds
    print(f"{'seconds':>9}{'ideal':>8}{'share':>8}{'without faults':>16}", end="")
    print(f"{'faults':>8}{'too many':>10}{'billed':>8}{'lost':>6}")
    runs = [_run(number) for number in range(rounds)]
    shares = [share for share, _ in runs]
    met = statistics.median(shares) >= TARGET and all(sound for _, sound in runs)
    print(f"share of the ideal: median {statistics.median(shares):.3f}, best {max(shares):.3f}")
    print(f"target: {TARGET:.2f}, none too many, none lost: {'met' if met else 'MISSED'}")
    return 0 if met else 1


def _run(number: int) -> tuple[float, bool]:
    options = ("--rate", str(LIMIT_PER_SECOND), "--latency", "0.3")
    with batch_sandbox.running(*options) as sandbox, tempfile.TemporaryDirectory() as folder:
        sandbox.set_faults(
            *(
                {"kind": kind, "times": None, "probability": 0.01, "random_seed": 10 * number + n}
                for n, kind in enumerate(FAULTS)
            )
        )
        seconds, lost = asyncio.run(_batch(Path(folder), sandbox.base_url))
        sends = [send for send in sandbox.sends() if send["prompt"] != batch_sandbox.WARM_UP.prompt]
    causes = Counter(send["fault"] or send["code"] or "made" for send in sends)
    faults = sum(causes[kind] for kind in FAULTS)
    too_many = causes["Throttling.RateQuota"]
    billed = sum(send["billed"] for send in sends)
    ideal, without = (REQUESTS + faults) / LIMIT_PER_SECOND, REQUESTS / LIMIT_PER_SECOND
    print(f"{seconds:9.2f}{ideal:8.2f}{ideal / seconds:8.3f}{without / seconds:16.3f}", end="")
    print(f"{faults:8}{too_many:10}{billed:8}{lost:6}", flush=True)
    return ideal / seconds, (too_many, billed, lost) == (0, REQUESTS, 0)


async def _batch(folder: Path, base_url: str) -> tuple[float, int]:
    """Generate all images; returns the seconds it took and how many failed."""
    environment = batch_sandbox.environment(
        folder, base_url, STILLS_RATE_LIMIT=f"{LIMIT_PER_SECOND}/s", STILLS_CONCURRENCY="32"
    )
    lost = 0
    async with Stills.from_env(environment=environment) as stills:
        await stills.generate(batch_sandbox.WARM_UP)
        began = time.perf_counter()
        async for outcome in stills.generate_many(batch_sandbox.requests(REQUESTS)):
            lost += outcome.error is not None
        return time.perf_counter() - began, lost


if __name__ == "__main__":
    sys.exit(main())
