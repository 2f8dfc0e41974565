"""MCP clients work over HTTP with `stills serve`, and start `stills mcp` themselves."""

import json
import subprocess
import sys

import pytest
from tests.clients import install
from tests.clients.matrix import shows

STDIO = (sys.executable, "-m", "stills", "mcp", "--sandbox")
PROGRAMS = {
    "mcp-python-1": ("mcp-1", "mcp_client_1.py"),
    "mcp-python-2": ("mcp-2", "mcp_client_2.py"),
    "fastmcp": ("fastmcp", "fastmcp_client.py"),
    "mcp-typescript-1": ("mcp", "client_1.mjs"),
    "mcp-typescript-2": ("mcp", "client_2.mjs"),
}


@pytest.fixture(scope="module")
def programs(run_python, run_node, service):
    """What each client did, by its key and transport."""
    did = {}
    for client, (packages, program) in PROGRAMS.items():
        run = run_node if program.endswith(".mjs") else run_python
        did[client] = run(packages, program, f"{service.url}/mcp", *STDIO)
    return did


@pytest.fixture(params=PROGRAMS)
def client(request):
    return request.param


@pytest.fixture(params=["http", "stdio"])
def did(request, programs, client):
    """What a client did over one transport."""
    done = programs[client][request.param]
    assert "did" in done, done["traceback"]
    return done["did"]


@shows("list tools", *PROGRAMS)
def test_the_tools_are_listed(did):
    """The client finds `image_generate`."""
    assert did["tools"]


@shows("generate, with structured output", *PROGRAMS)
def test_the_structured_output_has_the_size(did):
    """The client accepts the answer under the output schema."""
    assert did["answer"] == [512, 512]


@shows("read the image as a resource", *PROGRAMS)
def test_the_linked_resource_is_the_image(did):
    """The link in the answer is a PNG of the requested size."""
    assert did["resource"] == [512, 512]


@shows("errors", *PROGRAMS)
def test_an_invalid_request_is_an_error_of_the_tool(did):
    """The model that called it can read what to change."""
    assert did["refused"]


@pytest.fixture
def inspect(home):
    """Run the inspector's command line."""
    program = install.node_folder("inspector") / "node_modules" / ".bin" / "mcp-inspector"

    def run(*arguments):
        return subprocess.run(
            [str(install.node()), str(program), "--cli", *arguments],
            env=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@shows("check the schemas of the tools, strictly", "mcp-inspector")
def test_the_inspector_finds_nothing_in_the_schemas(inspect):
    """With `--strict` it fails at errors, and prints each warning."""
    checked = inspect("--method", "tools/list", "--strict", *STDIO)
    assert checked.returncode == 0, checked.stderr
    assert "Warning" not in checked.stderr
    assert json.loads(checked.stdout)["tools"]


@shows("call a tool over HTTP", "mcp-inspector")
def test_the_inspector_makes_an_image_over_http(inspect, service):
    """The strings of its command line are valid arguments."""
    arguments = ("--tool-arg", "prompt=a red kite", "size=16:9")
    called = inspect(
        *("--method", "tools/call", "--tool-name", "image_generate"), *arguments,
        *("--transport", "http", "--server-url", f"{service.url}/mcp"),
    )  # fmt: skip
    assert called.returncode == 0, called.stderr
    assert not json.loads(called.stdout)["isError"]
