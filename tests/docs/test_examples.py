"""The examples in the documents run as a reader would run them."""

import re
import socket
import sys
import time
from contextlib import closing

import pytest
from tests.support.documents import DOCUMENTS, ROOT, SKILL, fences, name


def examples(language):
    """Return one test parameter for each code block of a language."""
    return [
        pytest.param(block, id=f"{name(document)}-{number}")
        for document in DOCUMENTS
        for number, block in enumerate(fences(document, language))
        if language == "python" or "stills " in block or "scripts/" in block
    ]


def on_free_ports(example):
    """Replace an example's ports with free ones, because another program may use them."""
    ports = {}
    for port in set(re.findall(r"(?<=--port )\d+", example)):
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            ports[port] = str(free.getsockname()[1])
    for port, free in ports.items():
        example = example.replace(port, free)
    return example


@pytest.mark.parametrize("example", examples("python"))
def test_a_python_example_runs(example, run):
    """In a file of its own, without an API key, it succeeds and prints where an image is."""
    printed = run(sys.executable, "-W", "error", "-c", example)
    assert "/output/ai-image-qwen-image/images/sandbox-" in printed
    assert list(run.folder.glob("output/ai-image-qwen-image/images/sandbox-*.png"))


@pytest.mark.parametrize("example", examples("sh"))
def test_a_shell_example_runs(example, run):
    """In a shell without an API key, every line succeeds."""
    (run.folder / "scripts").symlink_to(SKILL / "scripts")
    assert run("bash", "-euc", on_free_ports(example))
    assert list(run.folder.glob("output/ai-image-qwen-image/images/sandbox-*.png"))


def test_a_shell_example_that_fails_leaves_no_process(run):
    """A failed call fails the example, and the service that it started is ended."""
    example = on_free_ports(
        """
        stills serve --sandbox --port 8765 &
        curl -sf --retry 9 --retry-connrefused http://127.0.0.1:8765/no-such-page
        """
    )
    with pytest.raises(AssertionError, match="22 == 0"):  # the exit code of curl
        run("bash", "-euc", example)
    give_up = time.monotonic() + 60
    while answers(int(re.search(r"--port (\d+)", example)[1])):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def answers(port):
    """Return whether a program listens on a local port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_every_curl_example_fails_on_an_http_error():
    """An example that prints an error must not pass."""
    calls = [
        line
        for document in DOCUMENTS
        for block in fences(document, "sh")
        for line in block.splitlines()
        if line.startswith("curl")
    ]
    assert calls
    assert all(line.startswith("curl -sf ") for line in calls)


def test_the_makefile_has_the_targets_that_documents_name():
    """`make demo` and `make test` are the first commands a reader runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        line.split()[1]
        for document in DOCUMENTS
        for block in fences(document, "(?:ba)?sh")
        for line in block.splitlines()
        if line.startswith("make ")
    }
    assert {"demo", "test"} <= named
    assert all(f"\n{target}: " in makefile for target in named)
