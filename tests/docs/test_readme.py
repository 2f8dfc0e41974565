"""The README agrees with the code."""

import os
import re
import subprocess
import sys

import pytest
from tests.support.documents import ROOT, code, prose, rows

from stills.app import Stills
from stills.cli.errors import EXIT_CODES, exit_code
from stills.contract import errors
from stills.contract.errors import StillsError

README = ROOT / "README.md"
CLASSES = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, StillsError)
]


def test_it_has_less_than_110_lines():
    """It stays readable in one sitting."""
    assert len(README.read_text(encoding="utf-8").splitlines()) < 110


def test_the_table_lists_every_error_with_its_exit_code():
    """It lists every error that can be raised, and no other."""
    exits = {one.code: exit_code(one()) for one in CLASSES}
    listed = {
        listed_code: int(exit_cell)
        for exit_cell, codes, _ in rows(README, "exit")
        for listed_code in code(codes)
    }
    raised = {one.code for one in CLASSES if not one.__subclasses__()}
    assert raised <= set(listed)
    assert listed.items() <= exits.items()


def test_the_table_lists_every_exit_code():
    """Each branch of the error tree has a row."""
    assert {int(row[0]) for row in rows(README, "exit")} == set(EXIT_CODES.values())


def test_every_row_of_errors_says_what_to_do():
    """Each row has an action."""
    assert all(action for *_, action in rows(README, "exit"))


def test_a_key_is_found_in_both_documented_places(tmp_path):
    """The variable and the credentials file work as written."""
    text = " ".join(prose(README).split())
    assert "`DASHSCOPE_API_KEY`, or add `dashscope_api_key = sk-…` under `[default]` in" in text
    credentials = tmp_path / ".alibabacloud" / "credentials"
    credentials.parent.mkdir()
    credentials.write_text("[default]\ndashscope_api_key = sk-1234\n", encoding="utf-8")
    Stills.from_env(environment={"HOME": str(tmp_path)})
    Stills.from_env(environment={"HOME": str(tmp_path / "none"), "DASHSCOPE_API_KEY": "sk-1234"})


COMPARISON = [row[2] for row in rows(README, "with the SDK")]


@pytest.mark.parametrize("cell", COMPARISON)
def test_a_comparison_can_be_seen_on_the_sandbox(cell, tmp_path):
    """Each command of the table works in an empty home without an API key."""
    program = tmp_path / "stills"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stills "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (command,) = code(cell)
    shown = subprocess.run(
        ["/bin/sh", "-ec", command], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout + shown.stderr


def test_the_comparison_has_five_rows():
    """One for each thing that callers of the SDK have to do themselves."""
    assert len(COMPARISON) == 5


def test_the_recording_is_small_and_complete_in_itself():
    """It is an SVG below 500 kB that loads nothing, and shows the cached image and the batch."""
    recording = (ROOT / "docs" / "images" / "terminal.svg").read_text(encoding="utf-8")
    assert len(recording) < 500_000
    assert not re.search(r"<script|<image|@import|href=|url\((?!#)", recording)
    text = re.sub(r"<[^>]+>", "", recording)
    assert "from the catalog, nothing billed" in text
    assert "11 new, 0 from the catalog; billed 0.385 USD (simulated)" in text
