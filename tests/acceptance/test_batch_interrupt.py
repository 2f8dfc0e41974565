"""Ctrl-C during `stills batch`, once and twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.batch_command import ROWS, by_id, refuse
from tests.support.progress_lines import read_message

_INTERRUPTED_WHILE_CLOSING = """\
import os, signal, sys
from stills.batch.output import RunOutput
from stills.cli.main import main
close = RunOutput.close
def interrupt_and_close(output):
    os.kill(os.getpid(), signal.SIGINT)
    close(output)
    os.kill(os.getpid(), signal.SIGINT)
RunOutput.close = interrupt_and_close
sys.exit(main())
"""


@pytest.fixture
def begin(command, environment, service, shots, tmp_path: Path, wait_until):
    """Start `stills batch` with slow answers, and return while it runs."""

    def start(delay_seconds: float = 2, *options: str, calls: int = 4) -> subprocess.Popen[str]:
        service.set_faults({"kind": "slow", "delay_seconds": delay_seconds, "times": None})
        variables = environment | service.variables | {"STILLS_CONCURRENCY": "4"}
        process = subprocess.Popen(
            [*command, "batch", str(shots), "-o", "out", *options],
            env=variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: len(service.ledger()["sends"]) >= calls)
        return process

    return start


def test_ctrl_c_once_finishes_what_was_sent(begin, batch, service, tmp_path):
    """The other shots are pending in the manifest, and the next run generates them."""
    process = begin()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stdout == "out/manifest.jsonl\n"
    assert "Ctrl-C again" in stderr
    statuses = [entry["status"] for entry in by_id(tmp_path / "out").values()]
    assert len(statuses) == ROWS
    done = statuses.count("done")
    assert done == service.billed()
    assert 4 <= done < ROWS
    assert statuses.count("pending") == ROWS - done
    service.set_faults()
    again = batch(tmp_path / "shots.csv")
    assert again.returncode == 0, again.stderr
    assert service.billed() == ROWS


def test_ctrl_c_once_does_not_wait_to_repeat_refused_requests(
    command, environment, service, shots, tmp_path, wait_until
):
    """They are not repeated, whatever Retry-After is; the next run sends them again."""
    service.set_faults({"kind": "throttled", "retry_after_seconds": 500, "times": None})
    with subprocess.Popen(
        [*command, "batch", str(shots), "-o", "out"],
        env=environment | service.variables | {"STILLS_CONCURRENCY": "4"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: service.ledger()["sends"])
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    entries = by_id(tmp_path / "out").values()
    assert {entry["status"] for entry in entries} - {"pending"} == {"failed"}
    assert {entry["error"]["code"] for entry in entries if "error" in entry} == {"rate_limited"}
    assert "possibly billed" not in stderr
    assert len(service.ledger()["sends"]) == sum("error" in entry for entry in entries)


TAKES = ("--takes", "3", "--model", "qwen-image-2.0")


def test_ctrl_c_once_finishes_all_takes_of_the_calls_that_were_sent(
    begin, batch, service, tmp_path
):
    """The other takes are pending, and the next run generates only those."""
    process = begin(2, *TAKES, calls=2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    statuses = [entry["status"] for entry in by_id(tmp_path / "out").values()]
    assert len(statuses) == 3 * ROWS
    assert statuses.count("done") == service.billed() < 3 * ROWS
    assert statuses.count("pending") == 3 * ROWS - service.billed()
    service.set_faults()
    again = batch(tmp_path / "shots.csv", *TAKES)
    assert again.returncode == 0, again.stderr
    assert service.billed() == 3 * ROWS


def test_ctrl_c_twice_reports_every_take_of_a_call_as_possibly_billed(begin, service, tmp_path):
    """One call in flight may have made all of them."""
    process = begin(3600, *TAKES, calls=2)
    process.send_signal(signal.SIGINT)
    assert "Ctrl-C again" in read_message(process.stderr)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    billing = [entry.get("billing") for entry in by_id(tmp_path / "out").values()]
    assert billing.count("possible") == 3 * len(service.ledger()["sends"])
    assert f"{billing.count('possible')} more possibly billed (" in stderr


def test_ctrl_c_twice_stops_now(begin, service, tmp_path):
    """No file is incomplete, and the requests in flight are reported as possibly billed."""
    process = begin(delay_seconds=3600)
    process.send_signal(signal.SIGINT)
    assert "Ctrl-C again" in read_message(process.stderr)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    entries = by_id(tmp_path / "out")
    assert [entry["status"] for entry in entries.values()] == ["pending"] * ROWS
    sent = {send["prompt"][-2:] for send in service.ledger()["sends"]}
    reported = {name[1:] for name, entry in entries.items() if entry.get("billing") == "possible"}
    assert reported == sent
    assert f"{len(sent)} more possibly billed (" in stderr
    cut_off = [line for line in stderr.splitlines() if "[possibly billed]" in line]
    first = min(sent)  # which requests start first is random
    assert cut_off[0] == (
        f"shots.csv:{int(first) + 2}: s{first}: interrupted before the image was stored "
        "[possibly billed]. Run again to generate it."
    )
    assert len(cut_off) == len(sent)
    assert not list((tmp_path / "out").rglob("*.part"))


def test_ctrl_c_after_the_last_shot_has_no_effect(environment, service, shots, tmp_path):
    """The manifest and the summary are written, and the exit code is that of the run."""
    service.set_faults(refuse("number 07"))
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE_CLOSING, "batch", str(shots), "-o", "out"],
        env=environment | service.variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == "out/manifest.jsonl\n"
    assert "19 new, 0 from the catalog, 1 failed; billed 1.425 USD" in ended.stderr
    assert "shots.csv:9: s07: " in ended.stderr
    assert "interrupted" not in ended.stderr
    assert len(by_id(tmp_path / "out")) == ROWS
