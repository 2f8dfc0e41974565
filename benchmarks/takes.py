"""Four takes over HTTP: how close one request with n=4 comes to the time of one API call.

The real `stills serve`, without a rate limit, on a sandbox with a latency of 1.4 s per call.
qwen-image-max makes one image per call, so four calls run at the same time; qwen-image-2.0 makes
all four with one call. Target: at most 1.5 latencies. When the other takes waited for the first
image, it took more than 2.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import batch_sandbox

LATENCY_SECONDS = 1.4
TARGET_SECONDS = 1.5 * LATENCY_SECONDS
TAKES = 4
MODELS = ("qwen-image-max", "qwen-image-2.0")
START_SECONDS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5")
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {model: [] for model in MODELS}
    calls: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        batch_sandbox.running("--latency", str(LATENCY_SECONDS)) as sandbox,
        _serving(Path(folder), sandbox.base_url) as url,
    ):
        for model in MODELS:
            _ask(url, model, "warm-up")
            before = len(sandbox.sends())
            for number in range(rounds):
                began = time.perf_counter()
                _ask(url, model, f"a red kite, round {number}")
                seconds[model].append(time.perf_counter() - began)
            calls[model] = (len(sandbox.sends()) - before) // rounds
    return _report(seconds, calls)


@contextmanager
def _serving(folder: Path, base_url: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    variables = batch_sandbox.environment(folder, base_url, STILLS_RATE_LIMIT="none")
    command = [sys.executable, "-m", "stills", "serve", "--port", str(port)]
    with subprocess.Popen(
        command, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}/v1/images/generations"
        finally:
            process.terminate()


def _wait(url: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(url).close()
        except URLError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)
        else:
            return


def _ask(url: str, model: str, prompt: str) -> None:
    body = {
        "prompt": prompt,
        "model": model,
        "n": TAKES,
        "seed": 7,
        "size": "512*512",
        "response_format": "url",
    }
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:
        assert len(json.load(answer)["data"]) == TAKES


def _report(seconds: dict[str, list[float]], calls: dict[str, int]) -> int:
    print(f"{'':18}{'median':>9}{'best':>9}{'API calls':>11}")
    for model, values in seconds.items():
        print(f"{model:18}{statistics.median(values):7.2f} s{min(values):7.2f} s{calls[model]:11}")
    met = all(statistics.median(values) <= TARGET_SECONDS for values in seconds.values())
    print(f"target: at most {TARGET_SECONDS:.1f} s: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
