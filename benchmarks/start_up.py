"""Start-up: `stills generate` answered from the catalog, compared with `dashscope --help`.

Both are complete processes, run alternately. Target: at most a fifth of the wall time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="default: 15")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"OUTPUT_DIR": folder, "XDG_STATE_HOME": folder}
        # Installed programs have compiled modules; without them, each start would compile again.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in COMMANDS.values():  # fills the catalog and the disk cache
            _run(command, environment)
        printed = _run(COMMANDS["stills"], environment)
        if "from the catalog" not in printed:
            print(f"not answered from the catalog: {printed}", file=sys.stderr)
            return 1
        seconds = _measure(rounds, environment)
    return _report(seconds)


def _measure(rounds: int, environment: dict[str, str]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            _run(command, environment)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stderr


def _report(seconds: dict[str, list[float]]) -> int:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{'':36}{'median':>10}{'fastest':>10}")
    for name, values in seconds.items():
        median, least = medians[name] * 1000, min(values) * 1000
        print(f"{NAMES[name]:36}{median:7.0f} ms{least:7.0f} ms")
    ratio = medians["stills"] / medians["dashscope"]
    least_ratio = min(seconds["stills"]) / min(seconds["dashscope"])
    met = ratio <= TARGET
    print(f"stills takes {ratio:.2f} of the time of dashscope; fastest runs: {least_ratio:.2f}")
    print(f"target: at most {TARGET:.2f}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
