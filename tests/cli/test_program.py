"""Standard streams that can't be written or lack characters, in a separate process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stills

KITE = ["generate", "風箏 é 🪁", "--size", "64*64", "--sandbox"]


@pytest.fixture
def run(tmp_path):
    """Run `stills` in a shell, with the redirections in `where`."""

    def run_stills(*arguments, where="", **variables):
        sources = str(Path(stills.__file__).parents[1])
        kept = {"PATH": os.environ["PATH"], "PYTHONPATH": sources, "HOME": str(tmp_path)}
        return subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" -m stills "$@" {where}', sys.executable, *arguments],
            cwd=tmp_path,
            env=kept | variables,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run_stills


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_reported(run, unbuffered):
    """In one line with exit code 7, whether output is buffered or not."""
    assert run(*KITE).returncode == 0
    for command in (["list"], ["list", "--json"], ["--version"]):
        done = run(*command, where=">/dev/full", PYTHONUNBUFFERED=unbuffered)
        assert done.returncode == 7, done.stderr
        assert done.stderr.startswith(b"stills: standard output can't be written")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("where", ["2>/dev/full", "2>/dev/full >/dev/full", "2>&-"])
def test_unwritable_standard_error_keeps_the_exit_code(run, where):
    """For an invalid request, an invalid option, and a success."""
    assert run("generate", "a kite", "--size", "abc", where=where).returncode == 2
    assert run("lost", where=where).returncode == 2
    if where.startswith("2>/dev/full >"):
        return
    assert run(*KITE, where=where).returncode == 0


def test_characters_that_the_encoding_lacks_are_escaped(run):
    """The image is still reported, and JSON is still the same JSON."""
    made = run(*KITE, "--output", "風.png", PYTHONIOENCODING="ascii")
    assert made.returncode == 0, made.stderr
    listed = run("list", PYTHONIOENCODING="ascii")
    assert (listed.returncode, listed.stderr) == (0, b"")
    assert rb"\u98a8\u7b8f" in listed.stdout
    as_json = run("list", "--json", PYTHONIOENCODING="latin-1")
    assert json.loads(as_json.stdout.decode("latin-1"))["prompt"] == KITE[1]
    refused = run("generate", "--file", "風", PYTHONIOENCODING="ascii:strict")
    assert refused.returncode == 2
    assert rb"\u98a8 can't be read" in refused.stderr


CRASH = """
import argparse
from stills.cli.program import run_program

class PanicException(BaseException):
    pass

def run(_options):
    raise PanicException("called `Option::unwrap()` on a `None` value")

raise SystemExit(run_program(argparse.ArgumentParser(), [], run))
"""


def test_a_crash_of_native_code_is_one_line():
    """It is not an Exception, and would print a traceback that does not mention billing."""
    ended = subprocess.run(
        [sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert line.startswith("stills: unexpected PanicException: called `Option::unwrap()`")
    assert "Calls in flight may be billed." in line
