"""Start-up: `stills generate` answered from the catalog, compared with `dashscope --help`.

Both are complete processes, run alternately. Target: at most a fifth of the wall time. On a busy
machine, CPU time varies less.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

TARGET = 0.20
BIN = Path(sys.executable).parent
REQUEST = ["a red kite over a stubble field", "--size", "1024*1024", "--seed", "7", "--sandbox"]

COMMANDS = {
    "stills": [str(BIN / "stills"), "generate", *REQUEST],
    "list": [str(BIN / "stills"), "list"],
    "dashscope": [str(BIN / "dashscope"), "--help"],
    "python": [sys.executable, "-c", "pass"],
}
NAMES = {
    "stills": "stills generate, from the catalog",
    "list": "stills list",
    "dashscope": "dashscope --help",
    "python": "python -c pass",
}


class Run(NamedTuple):
    """One process: the seconds from its start to its end, and those of CPU that it used."""

    wall: float
    cpu: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="default: 15")
    return _report(measure(parser.parse_args().rounds))


def measure(rounds: int) -> dict[str, list[Run]]:
    """Run all commands in turn; returns what each run took, by command."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"OUTPUT_DIR": folder, "XDG_STATE_HOME": folder}
        # Installed programs have compiled modules; without them, each start would compile again.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in COMMANDS.values():  # fills the catalog and the disk cache
            _run(command, environment)
        printed = _run(COMMANDS["stills"], environment)
        if "from the catalog" not in printed:
            sys.exit(f"not answered from the catalog: {printed}")
        return _measure(rounds, environment)


def _measure(rounds: int, environment: dict[str, str]) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            began, used = time.perf_counter(), _cpu_seconds()
            _run(command, environment)
            runs[name].append(Run(time.perf_counter() - began, _cpu_seconds() - used))
    return runs


def _cpu_seconds() -> float:
    """Return the CPU that the processes started here have used, user and system."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stderr


def _report(runs: dict[str, list[Run]]) -> int:
    medians = {name: statistics.median(run.wall for run in each) for name, each in runs.items()}
    fastest = {name: min(run.wall for run in each) for name, each in runs.items()}
    cpu = {name: statistics.median(run.cpu for run in each) for name, each in runs.items()}
    print(f"{'':36}{'median':>10}{'fastest':>10}{'CPU':>10}")
    for name in runs:
        figures = (one[name] * 1000 for one in (medians, fastest, cpu))
        print(f"{NAMES[name]:36}" + "".join(f"{figure:7.0f} ms" for figure in figures))
    ratio, least, of_cpu = (one["stills"] / one["dashscope"] for one in (medians, fastest, cpu))
    met = ratio <= TARGET
    print(f"stills takes {ratio:.2f} of the time of dashscope; fastest runs {least:.2f}", end="; ")
    print(f"CPU {of_cpu:.2f}")
    print(f"target: at most {TARGET:.2f}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
