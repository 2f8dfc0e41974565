"""Catalog answers over HTTP: `stills serve`, compared with LiteLLM's proxy on its image route.

The service is the real command with one worker and its log, on the sandbox; `POST
/v1/images/generations` requests stored images, in turn. LiteLLM has no catalog, so one worker of it
forwards the same bodies to a stub that answers immediately. wrk posts with 32 connections,
alternately. Targets: at least 10 times LiteLLM's requests per second; 99 % of answers within 50 ms
at half the rate that 32 connections reach; memory within 5 MB over 20,000 requests.

Install wrk with `apt-get install -y wrk`, as root, and LiteLLM in an environment of its own:
`python3 -m venv PATH && PATH/bin/pip install 'litellm[proxy]'`. `--peer-venv PATH` says where it
is; without it, the comparison is with an earlier result on a machine with 2 cores.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from stills import ImageRequest, Stills

TARGET_TIMES = 10.0
TARGET_P99_MS = 50.0
TARGET_GROWTH_MB = 5.0
LITELLM_BEFORE = 71.0
"""Requests a second: the most that LiteLLM's proxy did when it was measured first, of 64 to 71."""
IMAGES = 100
SIZES = ("1328x1328", "1664x928", "1024x1024", "512x512")
MODEL = "qwen-image-max"
CONNECTIONS = 32
SQLITE: Mapping[str, str] = {}
WARM_REQUESTS = 2_000
FURTHER_REQUESTS = 20_000
WARM_PEER = 200
START_SECONDS = 120.0
POST = """
local bodies = {%s}
local turn = 0
wrk.headers["Content-Type"] = "application/json"
request = function()
  turn = turn %% #bodies + 1
  return wrk.format("POST", "/v1/images/generations", nil, bodies[turn])
end
"""
LITELLM = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/dall-e-3, api_base: "{stub}/v1", api_key: none}}
litellm_settings: {{telemetry: false}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""
"""Without a key, which it allows for local development: it asks for none, and neither do we."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured: requests per second, and milliseconds."""

    rate: float
    p50: float
    p99: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each; 5")
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="a round; 5")
    parser.add_argument("--peer-venv", type=Path, metavar="PATH", help="where LiteLLM is")
    parser.add_argument("--stub", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--send", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stub:
        web.run_app(_stub(), host="127.0.0.1", port=arguments.stub, print=None, access_log=None)
        return 0
    if arguments.send:
        url, written, rate, count = arguments.send
        uvloop.run(_send(url, Path(written), float(rate), int(count)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        return _measure(Path(name), arguments)


def _measure(folder: Path, arguments: argparse.Namespace) -> int:
    bodies = [json.dumps(body) for body in bodies_to_post()]
    asyncio.run(fill(folder))
    written, script = folder / "bodies.json", folder / "post.lua"
    written.write_text(json.dumps(bodies), encoding="utf-8")
    script.write_text(POST % ", ".join(f"[==[{body}]==]" for body in bodies), encoding="utf-8")
    with serving(folder) as (ours, process), _litellm(folder, arguments.peer_venv) as theirs:
        grown = _watch_memory(ours, written, process)
        urls = {"Stills": ours} | ({"LiteLLM": theirs} if theirs else {})
        rates = _compare(urls, written, script, arguments)
        half = rates["Stills"] / 2
        p50, p99 = _run_sender(ours, written, half, int(half * arguments.seconds * 2))
        print(f"Stills at {half:,.0f}/s, sent on time: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    _check_cached(folder / "serve.log")
    if theirs is None:
        print(f"LiteLLM not run (--peer-venv); {LITELLM_BEFORE:g}/s is what it did before")
    times = rates["Stills"] / rates.get("LiteLLM", LITELLM_BEFORE)
    met = {
        f"{times:.1f} times LiteLLM, at least {TARGET_TIMES:g}": times >= TARGET_TIMES,
        f"p99 {p99:.1f} ms at half load, under {TARGET_P99_MS:g}": p99 < TARGET_P99_MS,
        f"memory {grown:+.1f} MB, within {TARGET_GROWTH_MB:g}": grown <= TARGET_GROWTH_MB,
    }
    for told, is_met in met.items():
        print(f"target: {told}: {'met' if is_met else 'MISSED'}")
    return 0 if all(met.values()) else 1


def bodies_to_post() -> list[dict[str, str]]:
    return [
        {
            "model": MODEL,
            "prompt": f"a red kite over the harbour at dawn, frame {number}",
            "size": SIZES[number % len(SIZES)],
            "response_format": "url",
        }
        for number in range(IMAGES)
    ]


def _environment(folder: Path, catalog: Mapping[str, str]) -> dict[str, str]:
    return {"OUTPUT_DIR": str(folder), "STILLS_SPOOL": str(folder / "spool"), **catalog}


async def fill(folder: Path, catalog: Mapping[str, str] = SQLITE) -> None:
    async with Stills.from_env(sandbox=True, environment=_environment(folder, catalog)) as stills:
        for body in bodies_to_post():
            await stills.generate(ImageRequest(prompt=body["prompt"], size=body["size"]))


@contextmanager
def serving(
    folder: Path, catalog: Mapping[str, str] = SQLITE
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = _free_port()
    command = [sys.executable, "-m", "stills", "serve", "--sandbox", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    environment |= _environment(folder, catalog)
    with _running(command, port, folder / "serve.log", environment) as process:
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def _litellm(folder: Path, venv: Path | None) -> Iterator[str | None]:
    if venv is None:
        yield None
        return
    port, stub_port = _free_port(), _free_port()
    config = folder / "litellm.yaml"
    stub_url = f"http://127.0.0.1:{stub_port}"
    config.write_text(LITELLM.format(model=MODEL, stub=stub_url), encoding="utf-8")
    proxy = [str(venv / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    proxy += ["--port", str(port), "--num_workers", "1"]
    environment = {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network for prices
    }
    stub = [sys.executable, __file__, "--stub", str(stub_port)]
    with (
        _running(stub, stub_port, folder / "stub.log", dict(os.environ)),
        _running(proxy, port, folder / "litellm.log", environment),
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(
    command: list[str], port: int, log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors, env=environment)
    try:
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise SystemExit(log.read_text(encoding="utf-8")[-2000:]) from None
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _stub() -> web.Application:
    async def generate(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"created": 1, "data": [{"url": "http://127.0.0.1/one.png"}]})

    app = web.Application()
    app.router.add_post("/v1/images/generations", generate)
    return app


def _watch_memory(url: str, written: Path, process: subprocess.Popen[bytes]) -> float:
    sizes = []
    for count in (WARM_REQUESTS, FURTHER_REQUESTS):
        _run_sender(url, written, 0.0, count)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        sizes.append(int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024)
    print(
        f"memory: {sizes[0]:.1f} MB after {WARM_REQUESTS:,} requests, "
        f"{sizes[1]:.1f} MB after {FURTHER_REQUESTS:,} more"
    )
    return sizes[1] - sizes[0]


def _compare(
    urls: dict[str, str], written: Path, script: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    many: dict[str, list[Load]] = {name: [] for name in urls}
    alone: dict[str, list[Load]] = {name: [] for name in urls}
    for url in urls.values():
        _run_sender(url, written, 0.0, WARM_PEER)  # what is done once is done before
    for _ in range(arguments.rounds):
        for name, url in urls.items():
            many[name].append(post(url, script, arguments.seconds, CONNECTIONS))
    for name, url in urls.items():
        alone[name].append(post(url, script, arguments.seconds, 1))
    rates = {}
    for name, loads in many.items():
        rates[name] = statistics.median(load.rate for load in loads)
        print(
            f"{name} with {CONNECTIONS} connections: {rates[name]:,.0f}/s "
            f"({min(load.rate for load in loads):,.0f} to {max(load.rate for load in loads):,.0f})"
            f", p50 {statistics.median(load.p50 for load in loads):.1f} ms"
            f", p99 {statistics.median(load.p99 for load in loads):.1f} ms"
            f"; with one: p50 {alone[name][0].p50:.2f} ms, p99 {alone[name][0].p99:.2f} ms"
        )
    return rates


def post(url: str, script: Path, seconds: int, connections: int) -> Load:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
    command += ["-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"wrk had errors:\n{done.stdout}")
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)[1])
    return Load(rate, _percentile(done.stdout, 50), _percentile(done.stdout, 99))


def _percentile(told: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([0-9.]+)(us|ms|s)\b", told, re.MULTILINE)
    number, unit = found.groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _run_sender(url: str, written: Path, rate: float, count: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--send", url, str(written), str(rate), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    p50, p99 = (float(number) for number in done.stdout.split())
    return p50, p99


async def _send(url: str, written: Path, rate: float, count: int) -> None:
    """Send `count` requests, `rate` per second, or as fast as the connections allow if that is 0.

    Prints the median and the 99th percentile in milliseconds, from when each was due.
    """
    bodies = [body.encode() for body in json.loads(written.read_text(encoding="utf-8"))]
    headers = {"Content-Type": "application/json"}
    waited: list[float] = []
    free = asyncio.Semaphore(CONNECTIONS)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with (
        aiohttp.ClientSession(url, headers=headers, connector=connector) as session,
        asyncio.TaskGroup() as sends,
    ):

        async def send_one(number: int, due: float) -> None:
            body = bodies[number % len(bodies)]
            async with session.post("/v1/images/generations", data=body) as answer:
                await answer.read()
            if answer.status != 200:
                raise SystemExit(f"answered {answer.status}")
            waited.append(time.perf_counter() - due)
            free.release()

        began = time.perf_counter()
        for number in range(count):
            due = began + number / rate if rate else time.perf_counter()
            if rate:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            else:
                await free.acquire()
            sends.create_task(send_one(number, due))
    hundredths = statistics.quantiles(waited, n=100)
    print(1000 * hundredths[49], 1000 * hundredths[98])


def _check_cached(log: Path) -> None:
    lines = log.read_text(encoding="utf-8").splitlines()
    posts = [line for line in lines if "path=/v1/images/generations" in line]
    made = [line for line in posts if "cached=True" not in line]
    if made or not posts:
        raise SystemExit(f"{len(made)} of {len(posts)} requests were not answered from the catalog")


if __name__ == "__main__":
    sys.exit(main())
