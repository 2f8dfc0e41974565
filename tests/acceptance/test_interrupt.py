"""Ctrl-C in the middle: nothing half-written, the claim released, exit code 130."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

KITE = ["generate", "a red kite", "--size", "1024*1024", "--seed", "1"]
SCRIPT = (
    Path(__file__).parents[2]
    / "skills/ai/image/alicloud-ai-image-qwen-image/scripts/generate_image.py"
)


def wait_for_send(service, kind: str) -> None:
    give_up = time.monotonic() + 30
    while not any(send["kind"] == kind for send in service.ledger()["sends"]):
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def begin(command, environment, service, tmp_path: Path):
    """Start `stills generate`, or another program, on the service and leave it running."""

    def start(*program: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            program or [*command, *KITE],
            env=environment | service.variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


# What is billed in the end: a cut-off send may be, and is here; a cut-off download is not again.
@pytest.mark.parametrize(
    ("fault", "reached", "number", "billed"),
    [
        ("slow", "generation", signal.SIGINT, 2),
        ("slow_download", "download", signal.SIGINT, 1),
        ("slow", "generation", signal.SIGTERM, 2),
        ("slow", "generation", signal.SIGHUP, 2),
    ],
)
def test_ctrl_c_leaves_nothing_half_done(
    run, begin, service, tmp_path: Path, fault, reached, number, billed
):
    """While sent: the next run generates. While downloading: the next run only downloads."""
    service.set_faults({"kind": fault, "delay_seconds": 3})
    process = begin()
    wait_for_send(service, reached)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert stderr.startswith("stills: interrupted")

    output = tmp_path / "output" / "ai-image-qwen-image"
    assert list(output.glob("images/*")) == []
    with closing(sqlite3.connect(output / "stills.db")) as catalog:
        assert catalog.execute("SELECT count(*) FROM claims").fetchone() == (0,)

    service.set_faults()
    again = run(*KITE, variables=service.variables)
    assert again.returncode == 0, again.stderr
    # Paid for twice, perhaps: the one who asks again is told, and so is who looks at the spending.
    assert ("it may be billed" in again.stderr) == (billed == 2)
    spent = json.loads(run("spend", "--json").stdout)
    assert spent["possible"] == billed - 1
    give_up = time.monotonic() + 30
    while service.billed() != billed:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_the_skills_script_ends_as_the_command_does(begin, service, rows):
    """An agent's harness stops it by SIGTERM: it is told what may be billed, and nothing waits."""
    service.set_faults({"kind": "slow", "delay_seconds": 3})
    request = json.dumps({"prompt": "a red kite", "size": "1024*1024", "seed": 1})
    process = begin(sys.executable, str(SCRIPT), "--request", request)
    wait_for_send(service, "generation")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.startswith("stills: interrupted")
    assert stderr.count("\n") == 1
    assert rows("SELECT count(*) FROM claims") == [(0,)]


def test_a_terminal_that_closes_ends_nothing_that_nohup_started(begin, command, service):
    """It was asked to go on, and does."""
    service.set_faults({"kind": "slow", "delay_seconds": 1})
    process = begin("nohup", *command, *KITE)
    wait_for_send(service, "generation")
    process.send_signal(signal.SIGHUP)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert Path(stdout.strip()).is_file()
