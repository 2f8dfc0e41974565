"""Change the code that decides about money and loss, one place at a time: do the tests notice?

A seeded sample of `mutations.py` over the modules below. The tests first run without a mutant, to
record which of them enter which function. Each mutant is then made in a copy of the tree, never in
the checkout, and the tests that enter its function run in a fresh process: no other can notice it.
Ends with exit code 1 if fewer than 95 % of the mutants that are not equivalent are killed.

mutmut 3 forks each mutant out of a process that has run the tests: threads don't survive that, and
here threads do all work on the catalog and the disk. cosmic-ray edits the checkout itself, and has
one test command for all modules.
"""

import argparse
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from mutations import Mutant, find_mutants
from reach import Reach, Record, merge_records, plain_name, read_record, record_variables

ROOT = Path(__file__).parents[1]
EQUIVALENTS = Path(__file__).with_name("equivalent_mutants.toml")
REPORT = Path(__file__).with_name("mutants.md")
LAST = ROOT / "build" / "mutants.json"
TARGET = 0.95

TESTS = (
    "tests/pipeline", "tests/catalog", "tests/conformance", "tests/store", "tests/maintenance",
    "tests/test_app.py", "tests/test_fork.py",
)  # fmt: skip
# What decides whether a call is paid for, recorded and kept: claim, send, keep, adopt, recover, the
# ledger and the store.
MODULES = (
    *(
        f"src/stills/pipeline/{name}.py"
        for name in ("adopt", "call", "claim", "keep", "record", "retry", "send", "spool")
    ),
    "src/stills/maintenance/recover*.py",
    *(
        f"src/stills/catalog/{name}.py"
        for name in (
            "caps", "claims", "holder_lock", "kept", "lease", "processes", "queries", "resume",
            "sends", "spending", "sql", "transaction",
        )
    ),
    "src/stills/store/*.py",
)  # fmt: skip
# The rest of the code around it.
WIDE = (
    *(
        f"src/stills/pipeline/{name}.py"
        for name in (
            "check_prompt", "context", "fetch", "follow", "generate", "integrity", "look_up",
            "native_size", "plan", "render", "shared_call", "sidecar", "single_flight",
            "store_marker", "take_group", "takes",
        )
    ),
    "src/stills/maintenance/rebuild.py",
    *(
        f"src/stills/catalog/{name}.py"
        for name in ("database", "find", "requests", "rows", "sqlite_catalog")
    ),
    *(  # the others carry statements, copy catalogs or word errors
        f"src/stills/catalog/postgres/{name}.py"
        for name in ("answers", "batch", "catalog", "database", "lapsed")
    ),
)  # fmt: skip

# Only the plugins that the tests need: the others take longer to load than most tests.
_PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "_hypothesis_pytestplugin")
# A test that hangs counts as one that fails, and so does what a mutant leaves hanging at the end.
_TEST_SECONDS = 120
_RUN_SECONDS = 3600
_OPTIONS = (
    *_PLUGINS, "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0",
    "-o", f"faulthandler_timeout={_TEST_SECONDS}", "-o", "faulthandler_exit_on_timeout=true",
)  # fmt: skip
_PYTEST = """
import os, sys, pytest
code = pytest.main(sys.argv[1:])
sys.stdout.flush()
os._exit(code)
"""

KILLED, SURVIVED, EQUIVALENT = "killed", "survived", "equivalent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said about a mutant; for an equivalent one, the recorded reason."""

    path: str
    line: int
    before: str
    after: str
    outcome: str
    reason: str = ""


def copy_checkout(folder: Path) -> None:
    """Copy what git knows or would add."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


class Tree:
    """A copy of the checkout in which mutants are made and tested."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        shutil.copytree(checkout, folder)
        self._folder = folder
        self._environment = os.environ | {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(folder / "src"),  # comes before the editable install
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / ".hypothesis"),
        }
        self._written_at = time.time()

    def record(self, tests: str) -> Record:
        """Run a folder or file of tests without a mutant; return which functions each enters."""
        file = self._folder / f"{tests.replace('/', '-')}.tsv"
        self._first_failure([tests], record_variables(self._folder, file), "-p", "sitecustomize")
        record = read_record(self._folder, file)
        if self._first_failure(sorted(record.seconds), {}, "--collect-only") is not None:
            sys.exit(f"A test changes its name from run to run:\n{self.log()}")
        if self.fails(sorted(record.failed)):
            sys.exit(f"A test fails without a mutant, so it can't judge one:\n{self.log()}")
        return record

    def fails(self, tests: Sequence[str]) -> bool:
        """Return whether a test fails twice, or hangs; one failure may be the machine's."""
        tests = list(tests)
        while tests and (failed := self._first_failure(tests, {}, "-x")) is not None:
            if not failed or self._first_failure([failed], {}, "-x") is not None:
                return True
            tests = tests[tests.index(failed) + 1 :]
        return False

    def judge(self, mutant: Mutant, tests: Sequence[str]) -> str:
        """Make a mutant, test it and take it back; return what became of it."""
        file = self._folder / mutant.path
        source = file.read_bytes()
        try:
            self._write(file, mutant.apply(source))
            return KILLED if self.fails(tests) else SURVIVED
        finally:
            self._write(file, source)

    def _first_failure(
        self, tests: Sequence[str], environment: Mapping[str, str], *options: str
    ) -> str | None:
        """Run tests; return the first that fails, None if none does, "" if pytest itself ends."""
        (self._folder / "tests.txt").write_text("\n".join(tests), encoding="utf-8")
        command = [sys.executable, "-c", _PYTEST, *_OPTIONS, *options, "@tests.txt"]
        with (self._folder / "pytest.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment | environment, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            if process.wait(_RUN_SECONDS) == 0:
                return None
        except subprocess.TimeoutExpired:
            return ""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        failed = re.search(r"^(?:FAILED|ERROR) (\S+?::.+?)(?: - .*)?$", self.log(), re.MULTILINE)
        return plain_name(failed[1]) if failed else ""

    def log(self) -> str:
        """Return the end of what pytest last printed."""
        return "\n".join((self._folder / "pytest.log").read_text().splitlines()[-30:])

    def _write(self, file: Path, source: bytes) -> None:
        file.write_bytes(source)
        # Python trusts a .pyc whose source has the same size and second: each text has its own.
        self._written_at += 1
        os.utime(file, (self._written_at, self._written_at))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="1")
    parser.add_argument("--sample", type=int, default=120, metavar="N", help="120")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="mutants at once: 2")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--wide", action="store_true", help="also the code around these modules")
    parser.add_argument("--again", action="store_true", help="only what survived the last time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"  # as it is now: it may change before the end
        copy_checkout(checkout)
        return _run(options, checkout)


def _run(options: argparse.Namespace, checkout: Path) -> int:
    mutants = find_all(checkout, MODULES + WIDE if options.wide else MODULES)
    if options.again:
        last = [Verdict(**one) for one in json.loads(LAST.read_text(encoding="utf-8"))]
        survivors = {(one.path, one.before, one.after) for one in last if one.outcome == SURVIVED}
        verdicts = [one for one in last if one.outcome != SURVIVED]
        sample = [mutant for mutant in mutants if mutant.key in survivors]
    else:
        verdicts = []
        count = len(mutants) if options.all else min(options.sample, len(mutants))
        sample = random.Random(options.seed).sample(mutants, count)
    trees = [Tree(checkout, checkout.with_name(f"tree-{number}")) for number in range(options.jobs)]
    verdicts += _judge_all(sample, trees, checkout)
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps([asdict(one) for one in verdicts]), encoding="utf-8")
    report, score = _report(verdicts, seed=options.seed, total=len(mutants))
    REPORT.write_text(report, encoding="utf-8")
    print(f"\n{report}")
    return 0 if score >= TARGET else 1


def find_all(checkout: Path, patterns: Sequence[str]) -> list[Mutant]:
    """Return all mutants of the modules; two that read the same count once."""
    found: dict[tuple[str, str, str], Mutant] = {}
    for pattern in patterns:
        modules = sorted(checkout.glob(pattern))
        if not modules:
            sys.exit(f"{pattern} names no module: has it moved? See MODULES in {__file__}.")
        for module in modules:
            path = PurePosixPath(module.relative_to(checkout).as_posix())
            for mutant in find_mutants(path, module.read_bytes()):
                found.setdefault(mutant.key, mutant)
    return list(found.values())


def _judge_all(sample: list[Mutant], trees: list[Tree], checkout: Path) -> list[Verdict]:
    """Judge a sample, as many mutants at once as there are trees."""
    free: queue.SimpleQueue[Tree] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def record(tests: str) -> Record:
        tree = free.get()
        try:
            return tree.record(tests)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        reach = Reach(checkout, merge_records(pool.map(record, TESTS)))

    def judge(mutant: Mutant) -> Verdict:
        tests = reach.tests_of(str(mutant.path), mutant.line)
        tree = free.get()
        try:
            return _verdict(mutant, tree.judge(mutant, tests))
        finally:
            free.put(tree)

    equivalents = read_equivalents()
    verdicts = [
        _verdict(mutant, EQUIVALENT, equivalents[mutant.key])
        for mutant in sample
        if mutant.key in equivalents
    ]
    with ThreadPoolExecutor(len(trees)) as pool:
        judging = [pool.submit(judge, one) for one in sample if one.key not in equivalents]
        try:
            for judged in as_completed(judging):
                verdicts.append(judged.result())
                print(f"{len(verdicts)} of {len(sample)}: {_describe(verdicts[-1])}", flush=True)
        except KeyboardInterrupt:  # what was judged so far is reported
            pool.shutdown(cancel_futures=True)
    return verdicts


def read_equivalents() -> dict[tuple[str, str, str], str]:
    """Read which mutants change nothing that a test could see, and why."""
    listed = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8")).get("mutant", [])
    return {(one["path"], one["before"], one["after"]): one["reason"] for one in listed}


def _verdict(mutant: Mutant, outcome: str, reason: str = "") -> Verdict:
    return Verdict(str(mutant.path), mutant.line, mutant.before, mutant.after, outcome, reason)


def _describe(verdict: Verdict) -> str:
    said = f"{verdict.outcome}: {verdict.path}:{verdict.line}"
    if verdict.outcome == SURVIVED:
        said += f"\n- {verdict.before}\n+ {verdict.after}"
    return said


def _report(verdicts: list[Verdict], *, seed: int, total: int) -> tuple[str, float]:
    """Write the report; returns the share of mutants that were noticed."""
    outcomes = Counter(one.outcome for one in verdicts)
    judged = outcomes[KILLED] + outcomes[SURVIVED]
    score = outcomes[KILLED] / judged if judged else 1.0
    summary = (
        f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}: {len(verdicts)} of {total} mutants sampled, "
        f"{outcomes[EQUIVALENT]} of them equivalent. Of the other {judged}, {outcomes[KILLED]} "
        f"were killed and {outcomes[SURVIVED]} survived: **{score:.1%}**. Target: {TARGET:.0%}."
    )
    written_by = "Written by `make mutants`; see [benchmarks](README.md#mutants)."
    lines = ["# Mutants", "", written_by, "", summary]
    for one in sorted(verdicts, key=lambda one: (one.path, one.line)):
        if one.outcome == SURVIVED:
            lines += ["", f"`{one.path}:{one.line}`", ""]
            lines += ["```diff", f"- {one.before}", f"+ {one.after}", "```"]
    return "\n".join(lines) + "\n", score


if __name__ == "__main__":
    sys.exit(main())
