"""The examples in the documents, run as a reader would run them."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.support.documents import DOCUMENTS, ROOT, SKILL, fences, name

import stills


def examples(language):
    """One test for each code block of a language."""
    return [
        pytest.param(block, id=f"{name(document)}-{number}")
        for document in DOCUMENTS
        for number, block in enumerate(fences(document, language))
        if language == "python" or "stills " in block or "scripts/" in block
    ]


def on_free_ports(example):
    """Put free ports in place of an example's own, which another program may have."""
    ports = {}
    for port in set(re.findall(r"(?<=--port )\d+", example)):
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            ports[port] = str(free.getsockname()[1])
    for port, free in ports.items():
        example = example.replace(port, free)
    return example


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
        printed, complained = folder.with_suffix(".out"), folder.with_suffix(".err")
        with printed.open("w") as out, complained.open("w") as err:
            # In a session of its own, so that whatever an example leaves behind ends with it.
            process = subprocess.Popen(
                arguments, cwd=folder, env=environment, stdout=out, stderr=err,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(60)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert code == 0, complained.read_text(encoding="utf-8")
        assert "Traceback" not in complained.read_text(encoding="utf-8")
        return printed.read_text(encoding="utf-8")

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
    assert run("bash", "-euc", on_free_ports(example))
    assert list(run.folder.glob("output/ai-image-qwen-image/images/sandbox-*.png"))


def test_a_shell_example_that_fails_leaves_no_process(run):
    """A refused call fails its example, and the service that the example started ends with it."""
    example = on_free_ports(
        """
        stills serve --sandbox --port 8765 &
        curl -sf --retry 9 --retry-connrefused http://127.0.0.1:8765/no-such-page
        """
    )
    with pytest.raises(AssertionError, match="22 == 0"):  # what curl ends with
        run("bash", "-euc", example)
    give_up = time.monotonic() + 60
    while answers(int(re.search(r"--port (\d+)", example)[1])):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def answers(port):
    """Tell whether something listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_every_call_with_curl_fails_where_the_service_refuses_it():
    """An example that prints an error must not pass for one that works."""
    calls = [
        line
        for document in DOCUMENTS
        for block in fences(document, "sh")
        for line in block.splitlines()
        if line.startswith("curl")
    ]
    assert calls
    assert all(line.startswith("curl -sf ") for line in calls)


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
