"""docs/errors.md agrees with the classes, and with the places that raise them."""

import ast
import re

from tests.docs.errors_page import MONEY, PAGE, money, render
from tests.support.documents import ROOT, rows

from stills.contract import errors
from stills.contract.errors import Billing, StillsError


def classes() -> dict[str, type[StillsError]]:
    """Return all classes of errors by name."""
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, StillsError)
    }


def test_the_page_matches_the_classes():
    """After a change of errors, run `python tests/docs/errors_page.py` to update it."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_class_has_a_row():
    """Only the root of the tree has none: it is never raised."""
    listed = {re.findall("`([^`]+)`", row[0])[1] for row in rows(PAGE, "code and class")}
    assert listed == classes().keys() - {"StillsError"}


def test_the_money_is_what_the_code_raises():
    """Each place that raises an error with a certain billing agrees with its row."""
    found = set()
    for path in (ROOT / "src" / "stills").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for word in node.keywords:
                    if word.arg == "billing" and node.func.id in classes():
                        raised = re.fullmatch(r"Billing\.(\w+)", ast.unparse(word.value))
                        found |= {(node.func.id, raised[1])} if raised else set()
    assert ("ConnectionLost", "POSSIBLE") in found
    wrong = [one for one in found if Billing[one[1]] not in money(classes()[one[0]])]
    assert wrong == []


def test_the_money_is_what_the_faults_of_the_service_cost():
    """Errors in the fault matrix that are billed, or possibly billed, are so on this page."""
    matrix = (ROOT / "docs" / "fault-matrix.md").read_text(encoding="utf-8")
    outcomes = set(re.findall(r"([A-Z]\w+); \d calls?; (\d) billed(, \d possibly)?", matrix))
    assert {one[0] for one in outcomes} > {"LinkDead", "TaskLost"}
    for name, billed, possibly in outcomes:
        if possibly:
            assert Billing.POSSIBLE in money(classes()[name]), name
        elif billed != "0":
            assert Billing.BILLED in money(classes()[name]), name
    assert {*MONEY} < {*classes().values()}
