"""Start-up and cost of a new image, next to their peers: one table, and `results.json`.

Stills and each peer run in turn. On a busy machine, compare the least CPU times.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import generation_cost
import start_up

RESULTS = Path(__file__).with_name("results.json")
GENERATION = "a new image: CPU"


class Row(NamedTuple):
    """What one program took, in ms."""

    measure: str
    program: str
    median: float
    least: float


class Target(NamedTuple):
    """How many times as much as the peer Stills may take, and takes; least: of the fastest runs."""

    measure: str
    peer: str
    at_most: float
    median: float
    least: float

    @property
    def is_met(self) -> bool:
        return self.median <= self.at_most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5; start-up: 3 N")
    parser.add_argument("--images", type=int, default=320, metavar="N", help="in a round: 320")
    options = parser.parse_args()
    load = [os.getloadavg()[0]]
    rows = [
        *_start_up(start_up.measure(3 * options.rounds)),
        *_generation(generation_cost.measure(options.rounds, options.images)),
    ]
    load.append(os.getloadavg()[0])
    targets = [
        _compare(rows, "start-up: wall", "dashscope --help", start_up.TARGET),
        _compare(rows, "start-up: CPU", "dashscope --help", start_up.TARGET),
        _compare(rows, GENERATION, "bare", generation_cost.TARGET),
        _compare(rows, GENERATION, "checking", generation_cost.TARGET),
    ]
    print("\n".join(_table(rows, targets)))
    print(f"load of the machine: {load[0]:.1f} before, {load[1]:.1f} after")
    RESULTS.write_text(json.dumps(_record(rows, targets, load), indent=2) + "\n", encoding="utf-8")
    return 0 if all(target.is_met for target in targets) else 1


def _start_up(runs: dict[str, list[start_up.Run]]) -> list[Row]:
    rows = []
    for kind in ("wall", "CPU"):
        for name, each in runs.items():
            took = [1000 * (run.wall if kind == "wall" else run.cpu) for run in each]
            program = "stills" if name == "stills" else start_up.NAMES[name]
            rows.append(_row(f"start-up: {kind}", program, took))
    return rows


def _generation(rounds: list[dict[str, dict[str, float]]]) -> list[Row]:
    return [
        _row(GENERATION, name, [one[name]["cpu_ms"] for one in rounds])
        for name in generation_cost.CLIENTS
    ]


def _row(measure: str, program: str, took: list[float]) -> Row:
    return Row(measure, program, round(statistics.median(took), 1), round(min(took), 1))


def _compare(rows: list[Row], measure: str, peer: str, at_most: float) -> Target:
    ours, theirs = (
        next(row for row in rows if (row.measure, row.program) == (measure, program))
        for program in ("stills", peer)
    )
    ratios = (round(ours.median / theirs.median, 2), round(ours.least / theirs.least, 2))
    return Target(measure, peer, at_most, *ratios)


def _table(rows: list[Row], targets: list[Target]) -> list[str]:
    lines = [f"{'':18} {'':20} {'median':>10} {'least':>10}"]
    lines += [
        f"{row.measure:18} {row.program:20} {row.median:7.1f} ms {row.least:7.1f} ms"
        for row in rows
    ]
    lines += [
        f"{target.measure:18} {f'/ {target.peer}':20} {target.median:10.2f} {target.least:10.2f}"
        f"  target {target.at_most:.2f}: {'met' if target.is_met else 'MISSED'}"
        for target in targets
    ]
    return lines


def _record(rows: list[Row], targets: list[Target], load: list[float]) -> dict[str, object]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "stills": version("stills"),
            "dashscope": version("dashscope"),
            "python": platform.python_version(),
        },
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": [round(value, 1) for value in load],
        "milliseconds": [row._asdict() for row in rows],
        "ratios": [target._asdict() | {"is_met": target.is_met} for target in targets],
    }


if __name__ == "__main__":
    sys.exit(main())
