"""The relay in front of an engine: copying, signals, and each without the other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = """\
import os, signal, sys
from stills.mcp.relay import run_behind_relay

def echo(life):
    for line in sys.stdin:
        print(line, end="", flush=True)
    return 7

def fail(life):
    os.kill(os.getpid(), signal.SIGKILL)

def complain(life):
    print("an engine's log", file=sys.stderr, flush=True)
    return 0

def talk(life):
    for stream in (sys.stdout, sys.stderr):
        stream.write("x" * 1_000_000)
        stream.flush()
    note("done")
    return 0

def survive(life):
    signal.signal(signal.SIGTERM, lambda *_: note("SIGTERM"))
    print(os.getpid(), os.getsid(0), flush=True)
    os.read(life, 1)
    note("alone")
    return 0

def note(word):
    with open("notes", "a") as notes:
        notes.write(word + "\\n")

sys.exit(run_behind_relay(globals()[sys.argv[1]]))
"""


LOOK = """\
import sys, threading, stills.cli.commands.mcp
heavy = {"mcp", "anyio", "pydantic", "aiohttp", "obstore", "pyvips"}
print(sorted(heavy & set(sys.modules)), threading.active_count())
"""


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a program with an engine behind a relay."""
    started: list[subprocess.Popen[bytes]] = []

    def start(engine: str) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, engine],
            cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@pytest.fixture
def wait_for(tmp_path: Path) -> Callable[[str], None]:
    """Wait until the engine has written something to the program's folder."""

    def wait(word: str) -> None:
        notes = tmp_path / "notes"
        give_up = time.monotonic() + 60
        while not notes.exists() or word not in notes.read_text().split():
            assert time.monotonic() < give_up, "it never happened"
            time.sleep(0.02)

    return wait


def test_the_relay_copies_everything_in_both_directions(begin):
    """Any amount arrives byte for byte; the exit code is the engine's."""
    said = b"".join(b"%d %s\n" % (number, b"x" * 997) for number in range(2000))
    process = begin("echo")
    answered, _ = process.communicate(said, timeout=60)
    assert answered == said
    assert process.returncode == 7


def test_the_engine_s_log_reaches_the_client(begin):
    """It arrives on standard error, as without a relay."""
    _, log = begin("complain").communicate(timeout=60)
    assert log == b"an engine's log\n"


def test_an_engine_that_is_killed_is_reported_as_a_shell_does(begin):
    """The exit code is 128 plus the signal's number."""
    process = begin("fail")
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_client_that_stops_reading_does_not_stop_the_engine(begin, wait_for):
    """Its pipes are closed, and the engine's output is dropped."""
    process = begin("talk")
    process.stdout.close()
    process.stderr.close()
    wait_for("done")
    assert process.wait(timeout=60) == 0


def test_a_client_s_kill_does_not_reach_the_engine(begin, wait_for):
    """After SIGKILL to the process group, as Python's SDK does, the engine finishes and exits."""
    process = begin("survive")
    pid, session = map(int, process.stdout.readline().split())
    assert session == pid
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    wait_for("alone")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_passed_on_and_the_second_ends_only_the_relay(begin, wait_for, number):
    """The engine receives one SIGTERM; a client in a hurry need not wait for it."""
    process = begin("survive")
    process.stdout.readline()
    process.send_signal(number)
    wait_for("SIGTERM")
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    wait_for("alone")


def test_the_relay_is_light():
    """It imports neither MCP nor asyncio and has one thread, so it starts fast and can fork."""
    looked = subprocess.run(
        [
            sys.executable,
            "-c",
            LOOK,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert looked.stdout == "[] 1\n"
