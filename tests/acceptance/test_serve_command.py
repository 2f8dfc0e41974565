"""`stills serve`, run as a user runs it: started, killed and stopped, with several workers."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.support.serve_process import Server

KITE = {"prompt": "a red kite", "size": "512*512", "seed": 7}


@pytest.fixture
def sandbox(command: list[str], environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A sandbox that outlives the service; yields the variables that select it."""
    running = subprocess.Popen(
        [*command, "sandbox", "--latency", "1.5"], env=environment, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    lines = [running.stdout.readline() for _ in range(3)]
    pairs = (line.removeprefix("export ").strip().split("=", 1) for line in lines[:2])
    yield {**dict(pairs), "control": lines[2].rsplit(" ", 1)[1].strip()}
    running.terminate()
    running.wait(20)
    running.stdout.close()


def sends(control: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{control}/ledger", timeout=20) as answer:
        ledger = json.load(answer)
    return [send for send in ledger["sends"] if send["kind"] == "generation"]


def wait_for_send(control: str) -> None:
    give_up_at = time.monotonic() + 20
    while not sends(control):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_an_image_that_was_answered_still_opens_after_a_restart(serve):
    """The catalog and the image outlive the process."""
    first = serve("--sandbox")
    made = first.ask(KITE)
    assert first.stop() == 0
    second = serve("--sandbox")
    again = second.ask(KITE)
    assert again["id"] == made["id"]
    assert again["cached"]
    with urllib.request.urlopen(again["image_url"], timeout=20) as image:
        assert image.read(4) == b"\x89PNG"


def test_nothing_is_lost_if_the_service_is_killed_and_restarted(
    serve: Callable[..., Server], sandbox: dict[str, str]
):
    """A retry with the same Idempotency-Key continues where the dead process stopped."""
    control = sandbox.pop("control")
    first = serve(**sandbox)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(first.ask, KITE, **{"Idempotency-Key": "shot-1"})
        wait_for_send(control)
        first.stop(signal.SIGKILL)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            asking.result(60)
    second = serve(**sandbox)
    result = second.ask(KITE, **{"Idempotency-Key": "shot-1"})
    assert result["seed"] == 7
    with urllib.request.urlopen(f"{second.url}/v1/images/{result['id']}", timeout=20) as answer:
        billings = [send["billing"] for send in json.load(answer)["sends"]]
    assert billings[-1] == "billed"
    assert second.ask(KITE, **{"Idempotency-Key": "shot-1"}) == result


def test_sigterm_finishes_what_is_in_flight(serve: Callable[..., Server], sandbox: dict[str, str]):
    """A deployment loses no image and no answer."""
    control = sandbox.pop("control")
    service = serve(**sandbox)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(service.ask, KITE)
        wait_for_send(control)
        assert service.stop() == 0
        assert asking.result(60)["seed"] == 7


def test_sigterm_stores_the_image_of_a_client_that_disconnected(
    serve: Callable[..., Server], sandbox: dict[str, str], run: Callable[..., Any]
):
    """The image is paid for, so it is stored before the service ends."""
    control = sandbox.pop("control")
    service = serve(**sandbox)
    caller = subprocess.Popen(
        [
            "curl", "-s", f"{service.url}/v1/image.generate", "-H",
            "Content-Type: application/json", "-d", json.dumps(KITE),
        ]
    )  # fmt: skip
    wait_for_send(control)
    caller.kill()
    caller.wait()
    assert service.stop() == 0
    assert "512*512" in run("list").stdout


def test_four_workers_pay_once(serve: Callable[..., Server], sandbox: dict[str, str]):
    """Workers share the catalog, so the same request to all of them is one generation."""
    control = sandbox.pop("control")
    service = serve("--workers", "4", **sandbox)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: service.ask(KITE), range(16)))
    assert len({result["id"] for result in results}) == 1
    assert len(sends(control)) == 1
    assert service.stop() == 0


def test_every_worker_returns_the_metrics_of_all(serve: Callable[..., Server]):
    """Prometheus may reach any worker, and counters must not go down."""
    service = serve("--workers", "3", "--sandbox")
    for _ in range(12):
        service.ask(KITE)
    answers = [
        urllib.request.urlopen(f"{service.url}/metrics", timeout=20).read().decode()
        for _ in range(6)
    ]
    for text in answers:
        numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert numbers['stills_images_total{answered="billed",model="qwen-image-max"}'] == "1.0"
        assert numbers['stills_images_total{answered="catalog",model="qwen-image-max"}'] == "11.0"
        assert numbers["stills_queue"] == "0.0"
    assert service.stop() == 0


def test_a_missing_dashscope_key_is_reported_at_start_up(run: Callable[..., Any]):
    """The first request would be too late."""
    refused = run("serve", "--port", "0")
    assert refused.returncode == 3
    assert "--sandbox" in refused.stderr


def test_a_port_in_use_is_reported_in_one_line(serve: Callable[..., Server], run):
    """It says what to do, without a traceback."""
    port = serve("--sandbox").url.rsplit(":", 1)[1]
    refused = run("serve", "--sandbox", "--port", port)
    assert refused.returncode == 2
    assert "--port" in refused.stderr


async def test_agents_use_mcp_with_the_same_keys(serve, run, tmp_path: Path):
    """Their calls are counted and logged like all others."""
    key = run("keys", "add", "agent").stdout.strip()
    service = serve("--sandbox")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(f"{service.url}/mcp", b"{}"), timeout=20)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{service.url}/mcp", http_client=http)) as agent,
    ):
        made = await agent.call_tool("image_generate", KITE)
        counted = (await http.get(f"{service.url}/metrics")).text
    assert made.structured_content["image_url"].startswith(f"{service.url}/images/")
    assert 'stills_images_total{answered="billed",model="qwen-image-max"} 1.0' in counted
    (line,) = [line for line in (tmp_path / "log").read_text().splitlines() if "cost_usd=" in line]
    assert "path=/mcp key=agent model=qwen-image-max cached=False" in line


def ready(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_store_that_can_t_be_written_makes_the_service_not_ready(serve, tmp_path: Path):
    """At start-up, in /readyz and once in the log; once it can be written, the service is ready."""
    obstacle = tmp_path / "a-file"
    obstacle.write_text("in the way")
    server = serve("--sandbox", says="listens", STILLS_STORE=str(obstacle / "images"))
    assert "but is not ready: could not" in server.greeting
    assert "OUTPUT_DIR" in server.greeting
    assert ready(server.url) == ready(server.url) == 503
    obstacle.unlink()
    assert ready(server.url) == 200
    logged = [line for line in (tmp_path / "log").read_text().splitlines() if "not ready" in line]
    assert len(logged) == 2  # at start-up, and once for any number of probes
    assert all("OUTPUT_DIR" in line and str(obstacle) in line for line in logged)


def test_the_service_does_not_start_if_the_catalog_can_t_be_created(run, tmp_path: Path):
    """Exit code 7, and the error names the variable that sets its location."""
    (tmp_path / "a-file").write_text("in the way")
    place = {"OUTPUT_DIR": str(tmp_path / "a-file" / "below")}
    done = run("serve", "--sandbox", "--port", "0", variables=place)
    assert (done.returncode, done.stdout) == (7, "")
    assert "OUTPUT_DIR" in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("early", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_right_after_the_first_line_stops_the_service(
    environment: dict[str, str], early: int, workers: str
):
    """Nothing handles it yet at that moment, so it could get lost, and the service would go on."""
    script = f"""
import os, sys
from stills.cli.commands import serve
from stills.cli.main import main
announce = serve._announce

def announce_and_signal(*args, **options):
    announce(*args, **options)
    os.kill(os.getpid(), {int(early)})

serve._announce = announce_and_signal
sys.exit(main(["serve", "--sandbox", "--port", "0", "--workers", "{workers}"]))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "answers" in done.stdout
    assert "Traceback" not in done.stderr
