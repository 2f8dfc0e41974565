"""PNG serving: requests per second of `/images/{id}.png`, and of nginx with the same files.

Both serve the same stored images from the same store: noise of about 2 MB, which compresses as
badly as photographs do, and, for scale, sandbox images of a thirtieth of that size. The service is
complete, including its middleware but without its log: one worker of uvicorn with uvloop and
httptools. nginx has one worker and sendfile. wrk sends requests on 32 connections, alternately.
Target: at least half of nginx, with images of the size that the service makes.

Install nginx and wrk with `apt-get install -y nginx wrk`, as root.
"""

import argparse
import asyncio
import hashlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyvips
import uvicorn

from stills import ImageRequest, Stills
from stills.catalog import SqliteCatalog
from stills.contract.generation import Generation, Rendition, Stage
from stills.contract.models import DEFAULT_MODEL, find_model
from stills.http.app import make_app
from stills.http.settings import Settings
from stills.pipeline.plan import make_plan

TARGET = 0.5
FILES = 8
SIZE = "1664*928"
CONNECTIONS = 32
START_SECONDS = 30.0
NOISE_SIGMA = 6.0
"""Of the noise, in steps of 255: it makes the PNG about 2 MB."""
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  types {{ image/png png; }}
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
ROTATE = """
local paths = {%s}
local turn = 0
request = function()
  turn = turn %% #paths + 1
  return wrk.format("GET", paths[turn])
end
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each; 5")
    parser.add_argument("--seconds", type=int, default=4, metavar="N", help="a round; 4")
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(Path(arguments.serve[0]), int(arguments.serve[1]))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        kinds = asyncio.run(_fill(folder))
        with _stills(folder) as ours, _nginx(folder) as theirs:
            ratios = {
                kind: _compare(kind, folder, renditions, ours, theirs, arguments)
                for kind, renditions in kinds.items()
            }
    met = ratios["noise"] >= TARGET
    print(f"target for noise: at least {TARGET:g} of nginx: {'met' if met else 'MISSED'}")
    return 0 if met else 1


def _environment(folder: Path) -> dict[str, str]:
    return {"OUTPUT_DIR": str(folder), "STILLS_SPOOL": str(folder / "spool")}


async def _fill(folder: Path) -> dict[str, list[Rendition]]:
    async with Stills.from_env(sandbox=True, environment=_environment(folder)) as stills:
        for number in range(FILES):
            await stills.generate(ImageRequest(prompt=f"slate {number}", size=SIZE, seed=number))
        slates = [image.rendition for image in await stills.images.list()]
    output = folder / "ai-image-qwen-image"
    catalog = SqliteCatalog(output / "stills.db")
    noise = [await _keep_noise(catalog, output, number) for number in range(FILES)]
    await catalog.close()
    return {"slates": slates, "noise": noise}


async def _keep_noise(catalog: SqliteCatalog, output: Path, number: int) -> Rendition:
    wanted = ImageRequest(prompt=f"noise {number}", size=SIZE, seed=number)
    size = wanted.output_size
    bands = [
        pyvips.Image.gaussnoise(*size, mean=128, sigma=NOISE_SIGMA, seed=3 * number + band)
        for band in range(3)
    ]
    png = bands[0].bandjoin(bands[1:]).cast("uchar").pngsave_buffer()
    identifier, path = f"{number:012x}", f"noise-{number:012x}.png"
    (output / "images" / path).write_bytes(png)
    facts = {"sha256": hashlib.sha256(png).hexdigest(), "byte_count": len(png)}
    model = find_model(DEFAULT_MODEL)
    spec = make_plan(wanted, model, provider="sandbox", reference=None).spec
    generation = Generation(
        id=identifier,
        spec=spec,
        stage=Stage.KEPT,
        created_at=time.time(),
        object_path=path,
        **facts,
    )
    rendition = Rendition(generation_id=identifier, size=size, object_path=path, **facts)
    await catalog.adopt(generation, [rendition])
    return rendition


def _serve(folder: Path, port: int) -> None:
    stills = Stills.from_catalog(environment=_environment(folder))
    service = make_app(stills, Settings(model=DEFAULT_MODEL))
    uvicorn.run(  # as `stills serve` does
        service,
        port=port,
        lifespan="on",
        ws="none",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


@contextmanager
def _stills(folder: Path) -> Iterator[str]:
    port = _free_port()
    with _running([sys.executable, __file__, "--serve", str(folder), str(port)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _nginx(folder: Path) -> Iterator[str]:
    port = _free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    written = folder / "nginx.conf"
    written.write_text(NGINX.format(folder=folder, port=port, user=user), encoding="utf-8")
    with _running(["nginx", "-e", str(folder / "error.log"), "-c", str(written)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _compare(  # noqa: PLR0917 - one call, one line of the table
    kind: str,
    folder: Path,
    renditions: list[Rendition],
    ours: str,
    theirs: str,
    arguments: argparse.Namespace,
) -> float:
    asked = {
        "Stills": (ours, [f"/images/{one.id}.png" for one in renditions]),
        "nginx": (
            theirs,
            [f"/ai-image-qwen-image/images/{one.object_path}" for one in renditions],
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(arguments.rounds):
        for name, (url, paths) in asked.items():
            script = folder / f"{name}.lua"
            script.write_text(ROTATE % ", ".join(f'"{path}"' for path in paths), encoding="utf-8")
            rates[name].append(_ask(url, script, arguments.seconds))
    kilobytes = statistics.mean(one.byte_count for one in renditions) / 1000
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratio = medians["Stills"] / medians["nginx"]
    told = ", ".join(
        f"{name} {medians[name]:,.0f}/s (most {max(values):,.0f})" for name, values in rates.items()
    )
    print(f"{kind} of {kilobytes:,.0f} kB: {told}; ratio {ratio:.2f}")
    return ratio


def _ask(url: str, script: Path, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"wrk had errors:\n{done.stdout}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)[1])


if __name__ == "__main__":
    sys.exit(main())
