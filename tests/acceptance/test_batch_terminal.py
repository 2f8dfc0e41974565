"""`stills batch` on a terminal, and where none is: the question, the display, the events."""

import json
from pathlib import Path

import pytest
from batches import ROWS, Batch, at_a_terminal, into_out, refuse, write_rows


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A table of rows that differ."""
    return write_rows(tmp_path / "shots.csv")


@pytest.fixture
def batch(run, service) -> Batch:
    """Run `stills batch` into `out` on the service."""
    return into_out(run, service)


def test_a_terminal_is_asked_first_and_shown_progress(
    command, environment, service, shots, tmp_path
):
    """No is the answer of Enter; yes draws, with a display."""
    begin = [*command, "batch", str(shots), "-o", "out"]
    variables = environment | service.variables | {"TERM": "xterm"}
    code, shown = at_a_terminal(begin, b"\n", variables, tmp_path)
    assert code == 130
    assert "20 shots: 0 kept already, 20 new" in shown
    assert service.ledger()["sends"] == []
    code, shown = at_a_terminal(begin, b"y\n", variables, tmp_path)
    assert code == 0, shown
    assert "20/20 done" in shown
    assert "images/min" in shown


def test_events_are_json_lines(batch, shots, service):
    """A plan, one line a shot as it ends, and an end."""
    service.set_faults(refuse("number 03"))
    done = batch(shots, "--events")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["plan", *["shot"] * ROWS, "end"]
    assert events[0]["new"] == ROWS
    assert {event["id"] for event in events[1:-1]} == {f"s{number:02}" for number in range(ROWS)}
    assert events[-1]["made"] == ROWS - 1
    assert events[-1]["failed"] == 1
