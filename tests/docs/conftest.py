"""Runs the programs that documents show."""

import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import stills

PROGRAM_SECONDS = 60


@pytest.fixture
def run(tmp_path):
    """Run a program in an empty folder without an API key, with `stills` on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program, start in {"python": "", "stills": "-m stills"}.items():
        (programs / program).write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {start} "$@"\n', encoding="utf-8"
        )
        (programs / program).chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(stills.__file__).parents[1]),
        "HOME": str(tmp_path / "home"),
        "OUTPUT_DIR": str(folder / "output"),
    }

    def run_program(*arguments, **variables):
        printed, complained = folder.with_suffix(".out"), folder.with_suffix(".err")
        with printed.open("w") as out, complained.open("w") as err:
            # In its own session, so that processes an example leaves behind can be ended.
            process = subprocess.Popen(
                arguments, cwd=folder, env=environment | variables, stdout=out, stderr=err,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(PROGRAM_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert code == 0, complained.read_text(encoding="utf-8")
        assert "Traceback" not in complained.read_text(encoding="utf-8")
        return printed.read_text(encoding="utf-8")

    run_program.folder = folder
    return run_program
