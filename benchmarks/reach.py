"""Which tests can notice a change of a line: those that enter its function, quickest first."""

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

RECORDER = Path(__file__).with_name("recorder")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PLAIN = re.compile(r"[^\[]*(\[[\w.-]+\])?")  # pytest doesn't find every name that it prints


@dataclass(frozen=True, slots=True)
class _Span:
    """A function or another statement of a module or class, with the names in it."""

    path: str
    first: int
    last: int
    is_function: bool
    defines: frozenset[str]
    names: frozenset[str]


@dataclass(slots=True)
class Record:
    """What one run of the tests without a mutant showed."""

    tests_by_function: dict[tuple[str, int], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failed: set[str] = field(default_factory=set)


def plain_name(test: str) -> str:
    """Return a name by which pytest finds a test, perhaps with others of the same function."""
    return test if _PLAIN.fullmatch(test) else test.partition("[")[0]


def record_variables(tree: Path, record: Path) -> dict[str, str]:
    """Return the environment in which the tests of a tree write a record."""
    return {
        "PYTHONPATH": os.pathsep.join((str(tree / "src"), str(RECORDER))),
        "RECORD_SOURCE": f"{tree / 'src'}{os.sep}",
        "RECORD_FILE": str(record),
    }


def read_record(tree: Path, file: Path) -> Record:
    """Read what the tests of a tree wrote."""
    record = Record()
    entered: list[tuple[str, str, int]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        kind, test, first, second = line.split("\t")
        name, _, when = test.rpartition(" ")
        name = plain_name(name)
        if kind == "took":
            record.seconds[name] += float(second)
            if first == "failed":
                record.failed.add(name)
        elif name:
            # What a fixture enters may be shared by all tests of the file.
            name = name if when == "(call)" else name.partition("::")[0]
            entered.append((name, str(Path(first).relative_to(tree)), int(second)))
    tests_of_file = defaultdict(set)
    for test in record.seconds:
        tests_of_file[test.partition("::")[0]].add(test)
    for name, path, number in entered:
        record.tests_by_function[path, number] |= tests_of_file.get(name, {name})
    return record


def merge_records(records: Iterable[Record]) -> Record:
    """Return one record of all tests."""
    merged = Record()
    for record in records:
        for function, tests in record.tests_by_function.items():
            merged.tests_by_function[function] |= tests
        merged.seconds.update(record.seconds)
        merged.failed |= record.failed
    return merged


class Reach:
    """Finds the tests that can notice a change."""

    def __init__(self, tree: Path, record: Record) -> None:
        self._record = record
        self._spans: dict[str, list[_Span]] = {}
        for file in sorted((tree / "src").rglob("*.py")):
            path = file.relative_to(tree).as_posix()
            self._spans[path] = _read_spans(path, file.read_text(encoding="utf-8"))
        self._users: dict[str, set[_Span]] = defaultdict(set)
        self._tests: dict[_Span, set[str]] = defaultdict(set)
        for path, spans in self._spans.items():
            for span in spans:
                for name in span.names:
                    self._users[name].add(span)
                for line in range(span.first, span.last + 1):
                    self._tests[span] |= record.tests_by_function.get((path, line), set())

    def tests_of(self, path: str, line: int) -> list[str]:
        """Return the tests that enter a line's function, or one that uses a constant defined there.

        Those of a file named after the module come first, then the quickest of each file, then the
        next of each: tests of one file are much alike.
        """
        spans = [span for span in self._spans[path] if span.first <= line <= span.last]
        tests = set().union(*(self._tests_of_span(span) for span in spans))
        own = f"/test_{Path(path).stem}.py::"
        earlier: dict[str, int] = defaultdict(int)
        keys: dict[str, tuple[bool, int, float]] = {}
        for test in sorted(
            tests & self._record.seconds.keys(), key=self._record.seconds.__getitem__
        ):
            file = test.partition("::")[0]
            keys[test] = (own not in test, earlier[file], self._record.seconds[test])
            earlier[file] += 1
        return sorted(keys, key=keys.__getitem__)

    def _tests_of_span(self, span: _Span) -> set[str]:
        users, waiting = {span}, [span]
        while waiting:
            used = waiting.pop()
            if used.is_function:
                continue
            new = set().union(*(self._users.get(name, ()) for name in used.defines)) - users
            users |= new
            waiting += new
        return set().union(*(self._tests[user] for user in users))


def _read_spans(path: str, source: str) -> list[_Span]:
    spans: list[_Span] = []
    lines = source.splitlines()

    def add(body: list[ast.stmt], class_name: str | None) -> None:
        for statement in body:
            if isinstance(statement, ast.ClassDef):
                add(statement.body, statement.name)
                continue
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                continue
            is_function = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
            decorators = [one.lineno for one in statement.decorator_list] if is_function else []
            first = min([statement.lineno, *decorators])
            text = "\n".join(lines[first - 1 : statement.end_lineno])
            defined = _find_defined(statement)
            if class_name is not None:  # a field's default shows where the class is used
                defined.add(class_name)
            if not defined:  # such as a call at import
                defined = whole
            spans.append(
                _Span(
                    path, first, statement.end_lineno, is_function,
                    frozenset(defined), frozenset(_NAME.findall(text)),
                )
            )  # fmt: skip

    tree = ast.parse(source)
    whole = _find_defined(tree)
    add(tree.body, None)
    return spans


def _find_defined(tree: ast.AST) -> set[str]:
    return {
        node.id if isinstance(node, ast.Name) else node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }
