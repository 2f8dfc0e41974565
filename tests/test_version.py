"""One version: the tag's, which the build writes into the package."""

import json
import re
import tomllib
from importlib.metadata import version
from unittest.mock import Mock

import aiohttp
import pytest
import skills_ref
from packaging.version import Version
from tests.support.documents import ROOT, SKILL
from tests.support.running_service import serving

import stills
from stills.cli.main import main
from stills.http.settings import Settings
from stills.mcp.server import make_server

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEADINGS = re.findall(
    r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
)


def releases() -> list[str]:
    """List the versions in the changelog, newest first."""
    return [found[1] for found in map(re.compile(r"\[(\d.*)\]").match, HEADINGS) if found]


def test_the_project_takes_its_version_from_the_tag():
    """No file of the source has it."""
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["hatch"]["version"]["source"] == "vcs"
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    assert not any(re.search(r"__version__ = ", source) for source in sources)


async def test_all_front_ends_report_the_version_of_the_package(stills, capsys):
    """Python, the command, the OpenAPI document and MCP agree."""
    installed = version("stills")
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"stills {installed}\n"
    async with (
        serving(stills, Settings(model="qwen-image-max")) as url,
        aiohttp.ClientSession() as http,
        http.get(f"{url}/openapi.json") as document,
    ):
        assert json.loads(await document.read())["info"]["version"] == installed
    assert make_server(stills, generate=Mock(), delete=Mock()).version == installed


def test_python_code_can_read_it():
    """Loaded when it is used, because most calls don't need it."""
    assert stills.__version__ == version("stills")
    assert "__version__" in dir(stills)


def test_the_changelog_has_releases_newest_first():
    """What is not released comes before them, and each release has its date."""
    found = releases()
    assert found
    assert found == sorted(found, key=Version, reverse=True)
    assert HEADINGS[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[[\d.]+\] - \d{4}-\d\d-\d\d", line) for line in HEADINGS[1:])


def test_the_skill_has_the_version_of_the_newest_release():
    """A folder that is copied by itself says from which release it is."""
    metadata = skills_ref.read_properties(SKILL).metadata
    assert metadata == {"version": releases()[0], "category": "provider"}


def test_a_released_package_is_in_the_changelog():
    """A build between releases has the version of no release."""
    installed = Version(version("stills"))
    assert installed.is_devrelease or installed.local or str(installed) in {*releases(), "0.0"}
