"""Rows answered from the catalog: rows per second, and memory.

The catalog holds 10,000 stored images. Each measurement runs in its own process, which gets a
generator of rows in random order: 10,000 for the speed, then 1,000 and 100,000 for the maximum
resident memory. Targets: 1,500 rows per second, under 150 MB, and at most a tenth more for 100,000
rows than for 1,000. `stills batch` is also measured with a file of as many rows, from start to end:
it reads the file three times, looks up stored images, links each image under its id, and writes the
manifest and the contact sheet. It keeps every id in memory to find duplicates; its targets are the
speed and the 150 MB.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import kept_catalog

from stills import ImageRequest, Stills

FEW, MANY = 1_000, 100_000
ROWS_PER_SECOND, MEGABYTES, GROWTH = 1_500, 150, 1.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of 10,000 rows; 5")
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rows:
        asyncio.run(_answer(options.folder, options.rows))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(kept_catalog.fill(Path(folder) / "ai-image-qwen-image"))
        speeds = [_in_own_process(folder, kept_catalog.KEPT) for _ in range(options.rounds)]
        few, many = _in_own_process(folder, FEW), _in_own_process(folder, MANY)
        commands = {rows: _command(Path(folder), rows) for rows in (FEW, kept_catalog.KEPT, MANY)}
    met = _report([speed["rows_per_second"] for speed in speeds], few, many)
    return 0 if _report_command(commands) and met else 1


async def _answer(folder: Path, rows: int) -> None:
    """Run in a process of its own: answer the rows, print speed and memory."""
    environment = {"DASHSCOPE_API_KEY": "sk-never-sent", "OUTPUT_DIR": str(folder)}
    async with Stills.from_env(environment=environment) as stills:
        began = time.perf_counter()
        async for outcome in stills.generate_many(_rows(rows)):
            assert outcome.result is not None
            assert outcome.result.cached
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows_per_second": rows / seconds, "megabytes": peak}))


def _rows(number: int) -> Iterator[ImageRequest]:
    return (kept_catalog.request(random.randrange(kept_catalog.KEPT)) for _ in range(number))


def _in_own_process(folder: str, rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--rows", str(rows), "--folder", folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _command(folder: Path, rows: int) -> dict[str, float]:
    """Run `stills batch` on a file of as many rows."""
    shots = folder / f"{rows}.jsonl"
    with shots.open("w", encoding="utf-8") as written:
        for number, wanted in enumerate(_rows(rows)):
            row = {"id": f"shot-{number}", "prompt": wanted.prompt, "seed": wanted.seed}
            written.write(json.dumps({**row, "size": wanted.size}) + "\n")
    command = [
        sys.executable,
        "-m",
        "stills",
        "batch",
        str(shots),
        "-o",
        str(folder / f"of-{rows}"),
    ]
    environment = {**os.environ, "DASHSCOPE_API_KEY": "sk-never-sent", "OUTPUT_DIR": str(folder)}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return {"rows_per_second": rows / seconds, "megabytes": used.ru_maxrss / 1024}


def _report_command(commands: dict[int, dict[str, float]]) -> bool:
    for rows, seen in commands.items():
        speed, megabytes = seen["rows_per_second"], seen["megabytes"]
        print(f"stills batch, {rows:,} rows: {megabytes:.0f} MB, {speed:,.0f} a second")
    fast = commands[kept_catalog.KEPT]["rows_per_second"] >= ROWS_PER_SECOND
    small = max(seen["megabytes"] for seen in commands.values()) < MEGABYTES
    print(f"target: {ROWS_PER_SECOND:,} of {kept_catalog.KEPT:,} rows a second, ", end="")
    print(f"under {MEGABYTES} MB: {'met' if fast and small else 'MISSED'}")
    return fast and small


def _report(speeds: list[float], few: dict[str, float], many: dict[str, float]) -> bool:
    median = statistics.median(speeds)
    print(
        f"{kept_catalog.KEPT:,} rows: {median:,.0f} a second (median), {max(speeds):,.0f} at best"
    )
    for number, seen in ((FEW, few), (MANY, many)):
        speed, megabytes = seen["rows_per_second"], seen["megabytes"]
        print(f"{number:,} rows: {megabytes:.0f} MB, {speed:,.0f} a second")
    fast = median >= ROWS_PER_SECOND
    small = many["megabytes"] < MEGABYTES
    flat = many["megabytes"] <= GROWTH * few["megabytes"]
    print(f"target: {ROWS_PER_SECOND:,} rows a second: {'met' if fast else 'MISSED'}")
    print(f"target: under {MEGABYTES} MB, flat: {'met' if small and flat else 'MISSED'}")
    return fast and small and flat


if __name__ == "__main__":
    sys.exit(main())
