"""Error lines and exit codes of the command line."""

import importlib
import io
import socket

import pytest

from stills.cli.commands import sandbox, serve
from stills.cli.errors import INTERRUPTED, exit_code, report
from stills.cli.main import build_parser, main
from stills.contract import errors
from stills.contract.errors import Billing, ConfigError, StillsError


def branches() -> list[type[StillsError]]:
    found = [StillsError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return found[1:]


@pytest.mark.parametrize("kind", branches())
def test_every_error_has_the_exit_code_of_its_branch(kind: type[StillsError]):
    """2 usage, 3 access, 4 limits, 5 service, 6 content, 7 storage, 8 tools; otherwise 1."""
    expected = {
        errors.UsageError: 2,
        errors.AccessError: 3,
        errors.LimitError: 4,
        errors.ServiceError: 5,
        errors.ContentRefused: 6,
        errors.StorageError: 7,
        errors.ToolError: 8,
    }
    branch = next(base for base in expected if issubclass(kind, base))
    assert exit_code(kind()) == expected[branch]


def test_an_error_is_one_line_with_what_to_do():
    """The line has what happened, the money, the request id and the action."""
    printed = io.StringIO()
    error = errors.LinkDead("the link answers 403", billing=Billing.BILLED, request_id="abc")
    assert report(error, printed) == 5
    assert printed.getvalue().count("\n") == 1
    assert printed.getvalue().startswith(
        "stills: the link answers 403 [billed] (request id abc). Retry to download it free"
    )


def test_an_unexpected_error_is_one_line_that_names_debug():
    """There is no traceback, but the line says how to get one."""
    printed = io.StringIO()
    assert report(KeyError("x"), printed) == 1
    assert printed.getvalue().count("\n") == 1
    assert "--debug" in printed.getvalue()


def test_a_port_that_is_taken_is_a_mistake_in_the_settings():
    """No request is at fault, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = build_parser().parse_args(["sandbox", f"--port={port}"])
        with pytest.raises(ConfigError, match=f"port {port}") as caught:
            sandbox.run(options)
    assert (caught.value.field, exit_code(caught.value)) == ("port", 2)


@pytest.mark.parametrize("option", ["--port=99999", "--workers=0", "--cors-origin=example.com"])
def test_an_option_of_a_service_that_is_out_of_range_is_a_mistake_in_the_settings(option: str):
    """It is found before the port is opened."""
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        serve.run(build_parser().parse_args(["serve", "--sandbox", option]))


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["generate", "a kite", "--size", "64*64"], "in flight may be billed"),
        (["verify"], "makes no API calls, so nothing was billed"),
    ],
)
def test_an_interruption_says_what_it_costs(command, says, monkeypatch, capsys):
    """A command that only reads the catalog must not make anyone look for a bill."""

    def interrupt(_):
        raise KeyboardInterrupt

    module = importlib.import_module(f"stills.cli.commands.{command[0]}")
    monkeypatch.setattr(module, "run", interrupt)
    assert main(command) == INTERRUPTED
    assert says in capsys.readouterr().err
