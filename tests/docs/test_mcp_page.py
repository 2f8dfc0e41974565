"""docs/mcp.md agrees with the parser and the server."""

import json
import tomllib

import pytest
from tests.support.documents import ROOT, code, fences, rows

from stills.cli.main import build_parser
from stills.config import read_config
from stills.mcp.schemas import TOOLS

PAGE = ROOT / "docs" / "mcp.md"
CONFIGURATIONS = [json.loads(block) for block in fences(PAGE, "json")] + [
    tomllib.loads(block) for block in fences(PAGE, "toml")
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_client_configuration_starts_the_real_command(configuration):
    """Each names a server `stills` whose command line our parser accepts."""
    (servers,) = configuration.values()
    server = servers["stills"]
    assert server["command"] == "stills"
    assert build_parser().parse_args(server["args"]).module == "mcp"
    environment = {**server["env"], "HOME": "/home/someone"}
    assert read_config(environment).api_key


def test_the_page_shows_a_configuration_of_both_kinds():
    """JSON and TOML blocks are found, so the test above has something to check."""
    assert len(CONFIGURATIONS) == 3


def test_the_page_names_every_tool():
    """The table lists the server's tools in order."""
    assert [code(row[0])[0] for row in rows(PAGE, "tool")] == [tool.name for tool in TOOLS]
