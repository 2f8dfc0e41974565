"""The examples in the documents, run as a reader would run them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, SKILL, fences, name

import stills


def examples(language):
    """One test for each code block of a language."""
    return [
        pytest.param(block, id=f"{name(document)}-{number}")
        for document in DOCUMENTS
        for number, block in enumerate(fences(document, language))
        if language == "python" or "stills " in block or "scripts/" in block
    ]


@pytest.fixture
def run(tmp_path):
    """Run a program in an empty folder, as a user with no key, `stills` on the path."""
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

    def run_program(*arguments):
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    run_program.folder = folder
    return run_program


@pytest.mark.parametrize("example", examples("python"))
def test_a_python_example_runs(example, run):
    """Pasted into a file and run without a key, it ends well and tells where an image lies."""
    printed = run(sys.executable, "-W", "error", "-c", example)
    assert "file://" in printed
    assert list(run.folder.glob("output/ai-image-qwen-image/images/sandbox-*.png"))


@pytest.mark.parametrize("example", examples("sh"))
def test_a_shell_example_runs(example, run):
    """Pasted into a shell without a key, every line ends well."""
    (run.folder / "scripts").symlink_to(SKILL / "scripts")
    assert run("bash", "-euc", example)
    assert list(run.folder.glob("output/ai-image-qwen-image/images/sandbox-*.png"))


def test_make_knows_the_targets_that_are_named():
    """`make demo` and `make test` are the first things a reader types."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        line.split()[1]
        for document in DOCUMENTS
        for block in fences(document, "sh")
        for line in block.splitlines()
        if line.startswith("make ")
    }
    assert {"demo", "test"} <= named
    assert all(f"\n{target}: " in makefile for target in named)
