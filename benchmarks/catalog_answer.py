"""Catalog answers: the time of one `Stills.generate` in a running process, for a stored image.

The catalog has 10,000 stored images, and random ones are requested, one after the other. An answer
looks the image up, checks that its file exists, and counts the answer in the catalog. For scale,
the same is measured with only the standard library: a look-up and a counted answer in a table of
the same size. Target: a median under 1 ms.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import kept_catalog

from stills import Stills

TARGET_MS = 1.0
ANSWERS = 1_000
STILLS = "Stills.generate, from the catalog"
PLAIN = "plain sqlite3, look-up and count"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of 1,000 answers; 5")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(_measure(Path(folder), rounds))
    return _report(seconds)


async def _measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    environment = {
        "DASHSCOPE_API_KEY": "sk-never-sent",
        "OUTPUT_DIR": str(folder),
        "STILLS_SPOOL": str(folder / "spool"),
    }
    seconds: dict[str, list[float]] = {STILLS: [], PLAIN: []}
    await kept_catalog.fill(folder / "ai-image-qwen-image")
    async with Stills.from_env(environment=environment) as stills:
        with closing(_plain_table(folder / "plain.db")) as plain:
            for _ in range(rounds):
                for number in random.choices(range(kept_catalog.KEPT), k=ANSWERS):
                    began = time.perf_counter()
                    result = await stills.generate(kept_catalog.request(number))
                    seconds[STILLS].append(time.perf_counter() - began)
                    assert result.cached
                for number in random.choices(range(kept_catalog.KEPT), k=ANSWERS):
                    began = time.perf_counter()
                    _plain_answer(plain, number)
                    seconds[PLAIN].append(time.perf_counter() - began)
    return seconds


def _plain_table(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # as Stills counts answers
    connection.execute("CREATE TABLE images (key TEXT PRIMARY KEY, path TEXT, answers INTEGER)")
    rows = ((f"{n:064x}", f"picture-{n}.png") for n in range(kept_catalog.KEPT))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO images VALUES (?, ?, 0)", rows)
    connection.execute("COMMIT")
    return connection


def _plain_answer(connection: sqlite3.Connection, number: int) -> str:
    key = f"{number:064x}"
    (path,) = connection.execute("SELECT path FROM images WHERE key = ?", (key,)).fetchone()
    connection.execute("UPDATE images SET answers = answers + 1 WHERE key = ?", (key,))
    return path


def _report(seconds: dict[str, list[float]]) -> int:
    print(f"{'':36}{'median':>11}{'99 of 100':>12}{'longest':>11}")
    for name, values in seconds.items():
        figures = statistics.median(values), statistics.quantiles(values, n=100)[98], max(values)
        median, most, longest = (f"{1000 * value:.3f} ms" for value in figures)
        print(f"{name:36}{median:>11}{most:>12}{longest:>11}")
    met = statistics.median(seconds[STILLS]) * 1000 < TARGET_MS
    print(f"target: a median under {TARGET_MS:g} ms: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
