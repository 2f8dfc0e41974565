"""STILLS_RATE_LIMIT=auto: how soon a batch learns an account's limit, and how close it stays to it.

The sandbox enforces a limit that Stills does not know; images take 300 ms. The table shows the
calls accepted in each 10 s, as a share of the limit, and the number refused. Target: from 60 s to
100 s, within 10 % of the limit.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import batch_sandbox

from stills import ImageRequest, Stills

LIMITS = (1, 7, 20)
SETTLE_SECONDS, WATCH_SECONDS, STEP_SECONDS = 60, 40, 10
START_UP_SECONDS = 5  # until the first send: the times shown count from that
TARGET = 0.10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limits", type=float, nargs="+", default=LIMITS, metavar="PER_SECOND")
    limits = parser.parse_args().limits
    steps = range(0, SETTLE_SECONDS + WATCH_SECONDS, STEP_SECONDS)
    print(f"{'limit':>7}  {'':8}" + "".join(f"{begin:5}s" for begin in steps) + "   settled")
    met = [_run(limit, steps) for limit in limits]
    print(f"target: within {TARGET:.0%} after 60 s: {'met' if all(met) else 'MISSED'}")
    return 0 if all(met) else 1


def _run(limit: float, steps: range) -> bool:
    options = ("--rate", str(limit), "--latency", "0.3")
    with batch_sandbox.running(*options) as sandbox, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_batch(Path(folder), sandbox.base_url))
        sends = sandbox.sends()
    began = sends[0]["time"]
    accepted = [send["time"] - began for send in sends if send["status"] == 200]
    refused = [send["time"] - began for send in sends if send["status"] == 429]
    shares = [_count(accepted, begin) / STEP_SECONDS / limit for begin in steps]
    settled = [share for begin, share in zip(steps, shares, strict=True) if begin >= SETTLE_SECONDS]
    mean = sum(settled) / len(settled)
    print(f"{limit:5g}/s  accepted" + "".join(f"{share:6.2f}" for share in shares), end="")
    print(f"{mean:10.3f}")
    print(f"{'':9}refused " + "".join(f"{_count(refused, begin):6}" for begin in steps), flush=True)
    return abs(mean - 1.0) <= TARGET


def _count(times: list[float], begin: int) -> int:
    return sum(begin <= one < begin + STEP_SECONDS for one in times)


async def _batch(folder: Path, base_url: str) -> None:
    """Generate images until the time is over."""
    environment = batch_sandbox.environment(
        folder, base_url, STILLS_RATE_LIMIT="auto", STILLS_CONCURRENCY="64"
    )
    stop = asyncio.Event()
    seconds = START_UP_SECONDS + SETTLE_SECONDS + WATCH_SECONDS
    asyncio.get_running_loop().call_later(seconds, stop.set)

    def endless() -> Any:
        for number in itertools.count():
            yield ImageRequest(prompt=f"a kite {number}", size=batch_sandbox.SIZE, seed=7)

    async with Stills.from_env(environment=environment) as stills:
        async for outcome in stills.generate_many(endless(), stop=stop):
            # What is refused at the end is not sent again.
            if outcome.error is not None and not stop.is_set():
                raise outcome.error


if __name__ == "__main__":
    sys.exit(main())
