"""`make mutants` names files that exist, changes only code, and runs the tests that matter."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from mutants import MODULES, TESTS, WIDE, find_all, read_equivalents
from mutations import find_mutants
from reach import Reach, read_record, record_variables
from tests.support.documents import ROOT

PATH = PurePosixPath("a.py")


def test_every_module_and_test_that_it_names_exists():
    """A moved file must be moved in the table too."""
    assert all((ROOT / path).exists() for path in TESTS)
    assert all(list(ROOT.glob(pattern)) for pattern in MODULES + WIDE)


def test_every_change_listed_as_equivalent_can_still_be_made():
    """One whose lines are gone would excuse a change that was never looked at."""
    assert set(read_equivalents()) <= {mutant.key for mutant in find_all(ROOT, MODULES + WIDE)}


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
        "_LOG.warning(a, 1)",
    ],
)
def test_it_does_not_change_text_or_types_or_guards(source: str):
    """Such a change can't show a missing test."""
    assert find_mutants(PATH, source.encode()) == []


SOURCE = """LIMIT = 3
TWICE = 2 * LIMIT

def direct():
    return LIMIT

class A:
    def indirect(self):
        return TWICE

def other():
    return 4
"""


def test_the_tests_of_a_line_enter_its_function_or_use_its_constant(tmp_path: Path):
    """No other test can notice a change there. The quickest comes first."""
    (tmp_path / "src").mkdir()
    module = tmp_path / "src" / "a.py"
    module.write_text(SOURCE)
    record = tmp_path / "record.tsv"
    tests = {"t.py::slow[1]": (2.0, 4), "t.py::quick": (1.0, 8), "t.py::third": (1.5, 11)}
    record.write_text(
        "".join(
            f"entered\t{name} (call)\t{module}\t{line}\ntook\t{name} (call)\tpassed\t{seconds}\n"
            for name, (seconds, line) in tests.items()
        )
    )
    reach = Reach(tmp_path, read_record(tmp_path, record))
    assert reach.tests_of("src/a.py", 5) == ["t.py::slow[1]"]
    assert reach.tests_of("src/a.py", 1) == ["t.py::quick", "t.py::slow[1]"]
    assert reach.tests_of("src/a.py", 2) == ["t.py::quick"]


def test_what_a_fixture_enters_counts_for_all_tests_of_its_file(tmp_path: Path):
    """They may share what it made."""
    record = tmp_path / "record.tsv"
    record.write_text(
        f"entered\tt.py::one (setup)\t{tmp_path / 'src' / 'a.py'}\t4\n"
        "took\tt.py::one (call)\tpassed\t1.0\ntook\tt.py::two (call)\tfailed\t1.0\n"
        "took\tu.py::three (call)\tpassed\t1.0\n"
    )
    read = read_record(tmp_path, record)
    assert read.tests_by_function == {("src/a.py", 4): {"t.py::one", "t.py::two"}}
    assert read.failed == {"t.py::two"}


def test_what_a_process_of_a_test_enters_is_recorded_although_it_is_killed(tmp_path: Path):
    """Many tests kill the process that they test."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("def f():\n    import os\n    os.abort()\n")
    record = tmp_path / "record.tsv"
    variables = {"PYTEST_CURRENT_TEST": "t.py::one (call)", **record_variables(tmp_path, record)}
    command = [sys.executable, "-c", "import a; a.f()"]
    subprocess.run(command, check=False, env=os.environ | variables)
    assert f"entered\tt.py::one (call)\t{tmp_path / 'src' / 'a.py'}\t1\n" in record.read_text()
