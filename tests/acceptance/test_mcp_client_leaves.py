"""An MCP engine outlives its client: each image is stored and billed once, then the engine ends."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from tests.clients import install

KITE = {"prompt": "a red kite", "size": "64*64", "seed": 7}
CLIENTS = 8
LEAVE = ["kill", "terminate", "interrupt twice", "close", "crash"]
MOMENTS = {"at once": 1, "after the handshake": 1, "after the send": 3}


@pytest.fixture
def mark(tmp_path: Path) -> dict[str, str]:
    """A variable that marks the processes of the test."""
    return {"STARTED_BY": str(tmp_path)}


@pytest.fixture
def is_alone(mark, wait_until) -> Iterator[Callable[[], None]]:
    """Wait until all marked processes have ended."""
    ((name, value),) = mark.items()

    def left() -> list[Path]:
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{name}={value}".encode() in environ.read_bytes().split(b"\0"):
                    found.append(environ.parent)
            except OSError:  # it has just ended, or is another user's
                continue
        return found

    return lambda: wait_until(lambda: not left())


@pytest.fixture
def stages(rows) -> Callable[[], list[str]]:
    """The stage of each generation."""

    def read() -> list[str]:
        try:
            return [stage for (stage,) in rows("SELECT stage FROM generations")]
        except sqlite3.OperationalError:  # the catalog does not exist yet
            return []

    return read


@pytest.fixture
def begin(command, environment, mark, tmp_path: Path):
    """Start `stills mcp`, do the handshake, and call image_generate without waiting for it."""
    started: list[subprocess.Popen[str]] = []

    def start(service, *calls: dict[str, Any]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*command, "mcp"],
            env=environment | service.variables | mark,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        client = {"name": "test", "version": "0"}
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        messages = [
            {"id": 0, "method": "initialize", "params": hello},
            {"method": "notifications/initialized"},
            *(
                {
                    "id": number,
                    "method": "tools/call",
                    "params": {"name": "image_generate", "arguments": call},
                }
                for number, call in enumerate(calls, 1)
            ),
        ]
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        process.stdin.flush()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


async def test_an_image_is_stored_after_the_python_client_closes(
    command, environment, start_service, mark, is_alone, stages, wait_until, tmp_path: Path
):
    """The client closes stdin and kills the group some seconds later; the answer takes 10 s."""
    slow = start_service("--latency", "10")
    parameters = StdioServerParameters(
        command=command[0],
        args=[*command[1:], "mcp"],
        env=environment | slow.variables | mark,
        cwd=tmp_path,
    )
    sent = asyncio.Event()

    async def on_progress(_: float, __: float | None, words: str | None) -> None:
        if words.startswith("sent"):
            sent.set()

    async with Client(parameters, read_timeout_seconds=60) as client:
        calling = asyncio.create_task(
            client.call_tool("image_generate", KITE, progress_callback=on_progress)
        )
        await asyncio.wait_for(sent.wait(), 60)
    await asyncio.gather(calling, return_exceptions=True)
    wait_until(lambda: stages() == ["kept"])
    is_alone()
    assert slow.billed() == 1


def test_an_image_is_stored_after_the_node_client_closes(
    command, environment, start_service, mark, is_alone, stages, wait_until
):
    """The client closes stdin, sends SIGTERM and then SIGKILL, and no open pipe blocks it."""
    slow = start_service("--latency", "10")
    left = subprocess.run(
        [str(install.node()), "leave.mjs", json.dumps(KITE), *command, "mcp"],
        cwd=install.node_folder("mcp"),
        env=environment | slow.variables | mark,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert left.returncode == 0, left.stderr
    wait_until(lambda: stages() == ["kept"])
    is_alone()
    assert slow.billed() == 1


def test_an_image_is_stored_after_the_relay_is_killed(
    begin, start_service, is_alone, stages, wait_until
):
    """The relay can pass nothing on, so the engine must notice by itself."""
    slow = start_service("--latency", "10")
    process = begin(slow, KITE)
    wait_until(lambda: stages() == ["sent"])
    process.kill()
    process.wait(timeout=60)
    assert stages() == ["sent"]
    wait_until(lambda: stages() == ["kept"])
    is_alone()
    assert slow.billed() == 1


@pytest.mark.parametrize("leave", ["kill", "terminate", "close"])
def test_an_idle_engine_is_never_left_behind(begin, service, is_alone, leave):
    """It ends because it has nothing to finish."""
    process = begin(service)
    assert json.loads(process.stdout.readline())["id"] == 0
    leave_by(process, leave)
    process.wait(timeout=60)
    is_alone()


def test_a_refused_call_is_not_repeated_after_the_client_closed(
    begin, start_service, is_alone, wait_until
):
    """No client waits and no call is in flight, so the engine ends."""
    service = start_service()
    service.set_faults({"kind": "throttled", "retry_after_seconds": 500, "times": None})
    process = begin(service, KITE)
    wait_until(lambda: any(send["finished"] for send in service.ledger()["sends"]))
    process.kill()
    process.wait(timeout=60)
    is_alone()
    assert len(service.ledger()["sends"]) == 1


def test_an_engine_does_not_wait_beyond_the_deadline(
    begin, environment, start_service, is_alone, stages, wait_until
):
    """A service that never answers does not keep the engine alive."""
    environment["STILLS_DEADLINE_SECONDS"] = "5"
    service = start_service("--latency", "3600")
    process = begin(service, KITE)
    wait_until(lambda: stages() == ["sent"])
    process.kill()
    process.wait(timeout=60)
    is_alone()


def leave_by(process: "subprocess.Popen[str]", leave: str) -> None:
    """Disconnect as clients do; a crash closes all pipes."""
    if leave in {"close", "crash"}:
        process.stdin.close()
    if leave == "crash":
        process.stdout.close()
        process.stderr.close()
    if leave == "kill":
        process.kill()
    if leave == "terminate":
        process.terminate()
    if leave == "interrupt twice":
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)


def test_clients_that_close_at_random_moments_lose_nothing_and_pay_nothing_twice(
    begin, service, rng, rows, is_alone, stages, wait_until
):
    """The engine stores every image that was sent; a retry shows that each was paid for once."""
    service.set_faults({"kind": "slow", "times": None, "delay_seconds": 0.7})
    calls = [{**KITE, "prompt": f"shot {number}"} for number in range(CLIENTS)]
    for call in calls:
        process = begin(service, call)
        (moment,) = rng.choices([*MOMENTS], [*MOMENTS.values()])
        sent = len(service.ledger()["sends"])
        if moment != "at once":
            process.stdout.readline()
        if moment == "after the send":
            wait_until(lambda sent=sent: len(service.ledger()["sends"]) > sent)
            time.sleep(rng.uniform(0, 1.0))  # not a wait: this picks the random moment
        leave = rng.choice(LEAVE)
        leave_by(process, leave)
        print(f"{leave} {moment}")
        process.wait(timeout=60)
    is_alone()
    sent = [send["prompt"] for send in service.ledger()["sends"] if send["kind"] == "generation"]
    assert len(set(sent)) == len(sent) == service.billed()
    assert stages().count("kept") == len(sent)
    assert set(stages()) <= {"kept", "failed"}  # failed: cancelled before it was sent
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    assert rows("SELECT count(*) FROM sends WHERE billing != 'billed'") == [(0,)]

    service.set_faults()
    process = begin(service, *calls)
    answers = [json.loads(process.stdout.readline()) for _ in range(1 + CLIENTS)]
    results = [answer["result"] for answer in answers if answer["id"]]
    assert not any(result.get("isError") for result in results)
    assert sum(result["structuredContent"]["cached"] for result in results) == len(sent)
    assert service.billed() == CLIENTS
    print(f"{CLIENTS} clients left, {len(sent)} of them after their send")
