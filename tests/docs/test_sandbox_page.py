"""The tables in docs/sandbox.md list what the sandbox supports."""

import json
from dataclasses import fields

from tests.support.documents import ROOT, code, rows

from stills.sandbox import Fault, FaultKind

PAGE = ROOT / "docs" / "sandbox.md"


def test_the_page_lists_every_fault():
    """Each fault has one place in the table, and the table names no other."""
    listed = [kind for _, kinds in rows(PAGE, "what goes wrong") for kind in code(kinds)]
    assert sorted(listed) == sorted(FaultKind)


def test_the_page_lists_every_field_of_a_fault_with_its_default():
    """An empty cell is a default of null."""
    listed = {
        code(field)[0]: json.loads(default or "null") for field, default, _ in rows(PAGE, "field")
    }
    options = [field for field in fields(Fault) if field.name != "kind"]
    assert listed == {option.name: option.default for option in options}
