"""Colours and changing lines: only on a terminal that shows them, and as the user wants."""

import re

import pytest
from tests.support.batch_command import at_a_terminal, write_rows

COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9;]*)?m")
KITE = ("generate", "a kite", "--size", "64*64")


@pytest.fixture
def show(command, environment, service, tmp_path):
    """Generate an image and a batch on a terminal; returns all that it got."""
    write_rows(tmp_path / "shots.csv", rows=3)

    def run_both(**variables: str) -> str:
        service.set_faults({"kind": "slow", "delay_seconds": 1.5, "times": None})
        printed = ""
        for arguments in (KITE, ("batch", "shots.csv", "-o", "out", "--yes"), ("verify",)):
            code, output = at_a_terminal(
                [*command, *arguments], b"", environment | service.variables | variables, tmp_path
            )
            assert code == 0, output
            printed += output
        return printed

    return run_both


def test_a_terminal_gets_colours_and_changing_lines(show):
    """The spinner and the bar."""
    printed = show(TERM="xterm-256color")
    assert COLOUR.search(printed)
    assert "\x1b[2K" in printed


def test_no_colour_is_shown_to_those_who_want_none(show):
    """NO_COLOR leaves the lines that change."""
    printed = show(TERM="xterm-256color", NO_COLOR="1")
    assert not COLOUR.search(printed), printed
    assert "3/3 done" in printed


@pytest.mark.parametrize("more", [{}, {"FORCE_COLOR": "1"}])
def test_a_simple_terminal_gets_only_text(show, more):
    """That of an editor would show control characters as they are."""
    printed = show(TERM="dumb", **more)
    assert "\x1b" not in printed
    assert "3 shots" in printed or "3 images" in printed


def test_a_pipe_gets_only_text(run, service):
    """FORCE_COLOR changes nothing that another program reads."""
    variables = service.variables | {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    service.set_faults({"kind": "slow", "delay_seconds": 1.5, "times": None})
    for arguments in (KITE, ("list",), ("spend",), ("verify",), ("--help",)):
        done = run(*arguments, variables=variables)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr
