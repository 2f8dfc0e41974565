"""Answers from a new process, which a forked one calls."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import stills

_WORK = """
import sys, time

def work():
    print("working", file=sys.stderr, flush=True)
    time.sleep(1)
    return b"x" * 1_000_000
"""
_CALL = """
import signal, work
from stills.fresh_process import run_in_fresh_process

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    run_in_fresh_process(work.work)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_after_ctrl_c_a_large_answer_is_waited_for(tmp_path: Path):
    """The new process ends, although nobody wants what it returns."""
    (tmp_path / "work.py").write_text(_WORK)
    path = os.pathsep.join((str(tmp_path), str(Path(stills.__file__).parents[1])))
    with subprocess.Popen(
        [sys.executable, "-c", _CALL], env={"PYTHONPATH": path, "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stderr.readline() == "working\n"
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert printed == "interrupted\n"
