"""Which tests can notice a change of a line: those that enter its function, quickest first."""

import ast
import os
import re
from collections import defaultdict
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


class Reach:
    """Finds the tests that can notice a change."""

    def __init__(self, tree: Path, record: Record) -> None:
        self._record = record
        self._spans: dict[str, list[_Span]] = {}
        for file in sorted((tree / "src").rglob("*.py")):
            path = file.relative_to(tree).as_posix()
            self._spans[path] = _read_spans(path, file.read_text(encoding="utf-8"))

    def tests_of(self, path: str, line: int) -> list[str]:
        """Return the tests that enter a line's function, or one that uses a constant defined there.

        Those of a file named after the module come first, then those of its folder's mirror.
        """
        spans = [span for span in self._spans[path] if span.first <= line <= span.last]
        tests = set().union(*(self._tests_of_span(span) for span in spans))
        module = Path(path)
        own = f"/test_{module.stem}.py::"
        folder = "/".join(("tests", *module.parts[2:-1])) + "/"

        def order(test: str) -> tuple[bool, bool, float]:
            return own not in test, not test.startswith(folder), self._record.seconds[test]

        return sorted(tests & self._record.seconds.keys(), key=order)

    def _tests_of_span(self, span: _Span) -> set[str]:
        users, waiting = set(), [span]
        while waiting:
            next_span = waiting.pop()
            if next_span in users:
                continue
            users.add(next_span)
            if not next_span.is_function:
                waiting += [
                    other
                    for others in self._spans.values()
                    for other in others
                    if other.names & next_span.defines
                ]
        return {
            test
            for (path, line), tests in self._record.tests_by_function.items()
            for user in users
            if user.is_function and user.path == path and user.first <= line <= user.last
            for test in tests
        }


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
            defined = {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            if class_name is not None:  # a field's default shows where the class is used
                defined.add(class_name)
            spans.append(
                _Span(
                    path, first, statement.end_lineno, is_function,
                    frozenset(defined), frozenset(_NAME.findall(text)),
                )
            )  # fmt: skip

    add(ast.parse(source).body, None)
    return spans
