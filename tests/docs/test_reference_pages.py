"""Pages that list parts of the code: options, variables, files."""

import re

import pytest
from tests.docs.cli_page import PAGE, render
from tests.support.documents import DOCUMENTS, ROOT, SKILL, code, name, prose, rows

from stills.cli.errors import EXIT_CODES, INTERRUPTED, SOME_FAILED
from stills.config import read_config
from stills.contract.models import MODELS
from stills.provider.base_url import DEFAULT_BASE_URL

CONFIGURATION = ROOT / "docs" / "configuration.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


class Asked(dict):
    """An empty environment that records which variables were read."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def get(self, key, default=None):
        self.names.add(key)
        return default

    def __getitem__(self, key):
        self.names.add(key)
        raise KeyError(key)

    def __contains__(self, key):
        self.names.add(key)
        return False


def test_the_command_line_page_matches_the_parser():
    """After a change of options, run `python tests/docs/cli_page.py` to update it."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_the_help_names_every_exit_code():
    """The page takes its exit codes from the help, so the help must list them all."""
    listed = {int(number) for number, _ in rows(PAGE, "code")}
    assert listed == {0, SOME_FAILED, *EXIT_CODES.values(), INTERRUPTED}


def test_exactly_the_variables_that_are_read_are_described():
    """The tables list exactly the variables that `read_config` reads."""
    environment = Asked()
    read_config(environment)
    assert {code(row[0])[0] for row in rows(CONFIGURATION, "variable")} == environment.names


def test_the_defaults_of_the_variables_are_true(tmp_path):
    """An empty environment has the defaults that the tables show."""
    defaults = {
        code(variable)[0]: next(iter(code(default)), None)
        for variable, default, _ in rows(CONFIGURATION, "variable")
    }
    config = read_config({"HOME": str(tmp_path)})
    output = f"{defaults['OUTPUT_DIR']}/"
    state = defaults["XDG_STATE_HOME"].replace("~", str(tmp_path))
    assert config.store == defaults["STILLS_STORE"].replace("$OUTPUT_DIR/", output)
    assert str(config.catalog) == defaults["STILLS_CATALOG"].replace("$OUTPUT_DIR/", output)
    assert str(config.spool) == defaults["STILLS_SPOOL"].replace("$XDG_STATE_HOME", state)
    assert config.model == defaults["STILLS_MODEL"]
    assert config.deadline_seconds == float(defaults["STILLS_DEADLINE_SECONDS"])
    assert config.profile == defaults["ALIBABA_CLOUD_PROFILE"]
    assert defaults["DASHSCOPE_HTTP_BASE_URL"] == DEFAULT_BASE_URL
    assert config.concurrency == int(defaults["STILLS_CONCURRENCY"])
    assert config.uses_tasks is (defaults["STILLS_ASYNC"] == "auto")
    assert config.resend_unknown == int(defaults["STILLS_RESEND_UNKNOWN"])
    assert defaults["STILLS_RATE_LIMIT"] is config.rate_limit is None
    assert defaults["STILLS_PRICE_USD"] is config.price_usd is None
    assert defaults["STILLS_BUDGET_USD"] is config.budget_usd is None


def test_every_file_has_a_responsibility():
    """The table of files names only existing files, and covers every module."""
    named = set()
    for cell, _ in rows(CONTRIBUTING, "file"):
        first, *others = (ROOT / path for path in code(cell))
        named |= {first, *(first.parent / other.name for other in others)}
    assert all(path.exists() for path in named)
    package = ROOT / "src" / "stills"
    modules = [module for module in package.rglob("*.py") if not module.name.startswith("__")]
    assert not [one for one in modules if one not in named and not named & set(one.parents)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_relative_link_has_a_target(document):
    """A link never leads to a missing file."""
    links = re.findall(r"\]\(([^)#\s]+)", prose(document))
    for link in links:
        assert link.startswith("https://") or (document.parent / link).exists(), link


def test_no_document_names_an_option_that_does_not_exist():
    """Every `--option` is one of `stills` or of the skill's script."""
    script = SKILL / "scripts" / "generate_image.py"
    known = set(re.findall(r"--[a-z-]+", render() + script.read_text(encoding="utf-8")))
    for document in DOCUMENTS:
        # the options of other programs
        others = (
            r"^curl (.*\\\n)*.*$|`docker [^`]*`"
            r"|^(docker (build|run|compose (up|logs))|sudo|journalctl|kubectl|celery|aws) "
            r"(.*\\\n)*.*$"
            r"|^pg_(dump|restore) .*$"
        )
        ours = re.sub(others, "", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
        named = re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours)
        assert set(named) <= known, name(document)


def test_no_document_names_a_model_that_is_not_in_the_table():
    """Model ids are exact everywhere."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        ids = set(re.findall(r"(?<![\w-])qwen-image(?:-[\w.]*\w)+", text))
        assert ids - {"qwen-image-api", "qwen-image-models"} <= set(MODELS), name(document)
