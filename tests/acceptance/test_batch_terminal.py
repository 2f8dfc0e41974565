"""`stills batch` with and without a terminal: the question, the progress, the events."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.support.batch_command import ROWS, at_a_terminal, by_id, refuse


def test_a_terminal_gets_a_question_and_progress(command, environment, service, shots, tmp_path):
    """Enter means no; yes generates the shots and shows the progress."""
    begin = [*command, "batch", str(shots), "-o", "out"]
    variables = environment | service.variables | {"TERM": "xterm"}
    code, output = at_a_terminal(begin, b"\n", variables, tmp_path)
    assert code == 130
    assert "20 shots: 0 stored already, 20 new" in output
    assert output.count("retired") == 1
    assert service.ledger()["sends"] == []
    code, output = at_a_terminal(begin, b"y\n", variables, tmp_path)
    assert code == 0, output
    assert "20/20 done" in output
    assert "images/min" in output


def test_ctrl_c_at_the_question_says_that_nothing_was_sent(
    command, environment, service, shots, tmp_path
):
    """Nothing can have been billed yet."""
    begin = [*command, "batch", str(shots), "-o", "out"]
    variables = environment | service.variables | {"TERM": "xterm"}
    code, output = at_a_terminal(begin, b"\x03", variables, tmp_path)
    assert code == 130
    assert "interrupted before anything was sent; nothing was billed." in output
    assert "may be billed" not in output


@pytest.mark.parametrize("take", ["cat shots.csv | {} -o out -", "{} -o out --events shots.csv >e"])
@pytest.mark.usefixtures("shots")
def test_the_question_is_asked_despite_redirects(command, environment, service, tmp_path, take):
    """The list may come from a pipe, and the events may go to a file."""
    begin = ["/bin/sh", "-c", take.format(f"{shlex.join(command)} batch")]
    variables = environment | service.variables | {"TERM": "xterm"}
    code, output = at_a_terminal(begin, b"\n", variables, tmp_path)
    assert code == 130
    assert "20 shots: 0 stored already, 20 new" in output
    assert service.ledger()["sends"] == []


def test_events_are_json_lines(batch, shots, service):
    """There is a plan, one line per shot as it ends, and an end."""
    service.set_faults(refuse("number 03"))
    done = batch(shots, "--events")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["plan", *["shot"] * ROWS, "end"]
    assert events[0]["new"] == ROWS
    assert {event["id"] for event in events[1:-1]} == {f"s{number:02}" for number in range(ROWS)}
    assert events[-1]["made"] == ROWS - 1
    assert events[-1]["failed"] == 1


def test_a_run_stops_if_the_reader_of_events_goes_away(
    command, environment, service, shots, tmp_path
):
    """Sent requests are finished, other shots are pending, and one line says so."""
    service.set_faults({"kind": "slow", "delay_seconds": 0.3, "times": None})
    with subprocess.Popen(
        [*command, "batch", str(shots), "-o", "out", "--events"],
        env=environment | service.variables | {"STILLS_CONCURRENCY": "4"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert [json.loads(process.stdout.readline())["event"] for _ in range(2)]
        process.stdout.close()
        stderr = process.stderr.read()
    assert process.returncode == 7, stderr
    assert stderr.splitlines()[-1] == (
        "stills: the events can't be written: Broken pipe. "
        "Images in progress are finished and stored; run again for the rest."
    )
    statuses = [entry["status"] for entry in by_id(tmp_path / "out").values()]
    assert statuses.count("done") == service.billed() < ROWS
    assert statuses.count("pending") == ROWS - service.billed()
    assert "possibly billed" not in stderr


def test_nothing_is_sent_if_events_cannot_be_written(
    command, environment, service, shots, tmp_path
):
    """Here the disk is full."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "batch", str(shots), "-o", "out", "--events"],
            env=environment | service.variables,
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 7, done.stderr
    assert "No space left on device. Nothing was sent." in done.stderr
    assert service.ledger()["sends"] == []
