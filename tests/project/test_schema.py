"""The schema of `stills.toml`, the configuration page and the code agree."""

import json
import re
import tomllib

import jsonschema
import pytest
from tests.docs.test_reference_pages import Asked
from tests.support.documents import ROOT, code, rows

from stills.config import read_config
from stills.contract.errors import ConfigError
from stills.project.file import read_project_file
from stills.project.names import IN_FILE, SETTINGS
from stills.project.schema import make_schema

CONFIGURATION = ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "docs" / "stills.schema.json"

GOOD = [
    "",
    'base_url = "https://dashscope-intl.aliyuncs.com/api/v1"',
    'rate_limit = "1.5/s"',
    'rate_limit = "auto"',
    "deadline_seconds = 0.5",
    "concurrency = 9999",
    "budget_usd = 0",
    'output_dir = "../a"',
    '[model_aliases]\n"gpt-image-1@edit" = "qwen-image-2.0"',
]
BAD = [
    'api_key = "a"',
    "price_usd = 1",
    'base_url = "https://evil.example"',
    'model = ""',
    'rate_limit = "often"',
    "rate_limit = 2",
    "deadline_seconds = 0",
    'deadline_seconds = "600"',
    "concurrency = 0",
    "concurrency = 10000",
    "concurrency = 1.5",
    'async = "always"',
    "budget_usd = -1",
    "store = 1",
    'model_aliases = "a=b"',
    "model_aliases = { a = 1 }",
]


def is_valid(text):
    """Return whether the schema allows a file."""
    validator = jsonschema.Draft7Validator(make_schema())
    return validator.is_valid(tomllib.loads(text))


def is_accepted(text, tmp_path, monkeypatch):
    """Return whether Stills reads it."""
    (tmp_path / "stills.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    try:
        read_config({"HOME": str(tmp_path / "home")})
    except ConfigError:
        return False
    return True


def test_the_schema_is_one():
    """It has no mistakes of its own."""
    jsonschema.Draft7Validator.check_schema(make_schema())


def test_the_published_schema_is_that_of_the_code():
    """After a change, run `stills config --schema > docs/stills.schema.json`."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == make_schema()


@pytest.mark.parametrize("text", GOOD)
def test_what_the_schema_allows_is_read(text, tmp_path, monkeypatch):
    """An editor and Stills agree about right values."""
    assert is_valid(text)
    assert is_accepted(text, tmp_path, monkeypatch)


@pytest.mark.parametrize("text", BAD)
def test_what_the_schema_refuses_is_an_error(text, tmp_path, monkeypatch):
    """An editor and Stills agree about wrong values."""
    assert not is_valid(text)
    assert not is_accepted(text, tmp_path, monkeypatch)


def test_the_page_lists_the_names_of_the_file():
    """Its table has each name, next to its variable."""
    listed = {
        code(name)[0]: code(variable)[0]
        for name, variable, _ in rows(CONFIGURATION, "name in `stills.toml`")
    }
    assert listed == {name: setting.variable for name, setting in IN_FILE.items()}


def test_the_example_of_the_page_is_read(tmp_path):
    """It is a whole file."""
    page = CONFIGURATION.read_text(encoding="utf-8")
    example = re.search(r"### The file stills.toml\n\n```toml\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "stills.toml").write_text(example, encoding="utf-8")
    assert len(read_project_file(tmp_path / "stills.toml")) == 4
    assert is_valid(example)


def test_every_variable_that_is_read_is_a_setting():
    """So `stills config` shows it, and the file allows or refuses it by name."""
    environment = Asked()
    read_config(environment)
    assert environment.names == {setting.variable for setting in SETTINGS}
    assert all((setting.name is None) == bool(setting.why) for setting in SETTINGS)


def test_the_defaults_are_those_of_the_page():
    """Locations follow from others, and are worked out."""
    page = {
        code(row[0])[0]: next(iter(code(row[1])), "") for row in rows(CONFIGURATION, "variable")
    }
    derived = {"STILLS_STORE", "STILLS_CATALOG", "STILLS_SPOOL"}
    shown = {setting.variable: setting.default for setting in SETTINGS}
    assert {one: shown[one] for one in page if one not in derived} == {
        one: default for one, default in page.items() if one not in derived
    }
