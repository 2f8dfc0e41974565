"""`make mutants` names files that exist, and changes only code."""

from pathlib import PurePosixPath

import pytest
from mutants import TESTS, find_all, read_equivalents
from mutations import find_mutants
from tests.support.documents import ROOT

PATH = PurePosixPath("a.py")


def test_every_module_and_test_that_it_names_exists():
    """A moved file must be moved in the table too."""
    for tests, modules in TESTS.items():
        assert all((ROOT / path).exists() for path in tests)
        assert all(list(ROOT.glob(pattern)) for pattern in modules)


def test_every_change_listed_as_equivalent_can_still_be_made():
    """One whose lines are gone would excuse a change that was never looked at."""
    assert set(read_equivalents()) <= {mutant.key for mutant in find_all(ROOT)}


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("if a < b and c: d", {"if a <= b and c: d", "if a < b or c: d", "if False: d"}),
        ("store.put(1)", {"pass", "store.put(2)"}),
        ("a = asyncio.shield(work())", {"a = work()"}),
        ("try:\n    a()\nexcept (B, C):\n    d = e", {"pass", "except ():", "except ((), C):"}),
        ("Q = 'DELETE FROM a WHERE b AND c'", {"Q = 'DELETE FROM a WHERE b OR c'"}),
    ],
)
def test_it_changes_what_decides(source: str, changed: set[str]):
    """Conditions, calls, numbers, caught errors, and SQL."""
    assert changed <= {mutant.after for mutant in find_mutants(PATH, source.encode())}


@pytest.mark.parametrize(
    "source",
    [
        *('"""A < b."""', "import a", "def f(a: int = b) -> None: ...", 'a = "no < SQL"'),
        "c = zip(a, b, strict=True)",
    ],
)
def test_it_does_not_change_text_or_types_or_guards(source: str):
    """Such a change can't show a missing test."""
    assert find_mutants(PATH, source.encode()) == []
