"""Small changes of meaning to Python and SQL source: what `mutants.py` samples from.

Every mutation is an edit of the source text. Imports, annotations, decorators, docstrings,
messages and log lines are not changed, because a change there is equivalent or says nothing about a
test. Nor is `strict` of zip, which only guards against errors in the code itself.
"""

import ast
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

Edit = tuple[int, int, bytes]  # from byte, to byte, what goes there instead

_COMPARISONS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "is": "is not", "is not": "is", "in": "not in", "not in": "in",
}  # fmt: skip
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "%": "*", "**": "*"}
_RENAMED_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNWRAPPED_CALLS = {"shield"}  # asyncio.shield(x) becomes x
_EMPTIED_CALLS = {"suppress"}  # suppress(Error) becomes suppress()

_SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b|^[\"']+\s*(AND|WHERE)\b")
_SQL_EDITS = (
    (re.compile(r"(?<=\s)!=(?=\s)"), "="),
    (re.compile(r"(?<=\s)>=(?=\s)"), ">"),
    (re.compile(r"(?<=\s)<=(?=\s)"), "<"),
    (re.compile(r"(?<=\s)AND(?=\s)"), "OR"),
    (re.compile(r"(?<=\s)OR(?=\s)"), "AND"),
    (re.compile(r"\bIS NULL\b"), "IS NOT NULL"),
    (re.compile(r"\bIS NOT NULL\b"), "IS NULL"),
    (re.compile(r"\bNOT (?=EXISTS|IN|saved)"), ""),
    (re.compile(r"\bDESC\b"), "ASC"),
    (re.compile(r"\bmax\("), "min("),
    (re.compile(r"'(billed|possible)'"), "'none'"),
    (re.compile(r"'none'"), "'billed'"),
    (re.compile(r"'(claimed|sent|answered|spooled|kept|failed)'"), "'x'"),
    (re.compile(r"(?<=\S), \w+ = (?:NULL|:\w+|excluded\.\w+)"), ""),
)
_BETWEEN = re.compile(r"BETWEEN \S+ $")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit of one file, and the lines it changes."""

    path: PurePosixPath
    line: int
    edit: Edit
    before: str
    after: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What `equivalent_mutants.toml` names it by; it survives a move within the file."""
        return str(self.path), self.before, self.after

    def apply(self, source: bytes) -> bytes:
        """Return the file's source with the edit made."""
        start, end, replacement = self.edit
        return source[:start] + replacement + source[end:]


def find_mutants(path: PurePosixPath, source: bytes) -> list[Mutant]:
    """Return every mutant of a file that still compiles, in the order of the text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    mutants = []
    for edit in sorted(set(finder.edits)):
        mutant = _describe(path, source, edit)
        try:
            compile(mutant.apply(source), str(path), "exec", dont_inherit=True)
        except SyntaxError:
            continue
        mutants.append(mutant)
    return mutants


def _describe(path: PurePosixPath, source: bytes, edit: Edit) -> Mutant:
    """Name the whole lines that an edit changes, before and after, with one space for any space."""
    start, end, replacement = edit
    first = source.rfind(b"\n", 0, start) + 1
    last = source.find(b"\n", end)
    last = len(source) if last == -1 else last
    before = source[first:last].decode()
    after = (source[first:start] + replacement + source[end:last]).decode()
    line = source.count(b"\n", 0, start) + 1
    return Mutant(path, line, edit, " ".join(before.split()), " ".join(after.split()))


class _Finder(ast.NodeVisitor):
    """Collects edits, also of the text between nodes, because operators have no position."""

    def __init__(self, source: bytes) -> None:
        self.edits: list[Edit] = []
        self._source = source
        self._line_starts = [0, *(found.end() for found in re.finditer(rb"\n", source))]

    def visit_Import(self, node: ast.Import) -> None:
        """Skip imports."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Skip imports."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if all(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self._remove(node)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._remove(node)
        self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if _is_log(node):
            return
        if isinstance(node.value, (ast.Call, ast.Await)):
            self._remove(node)
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._remove(node)
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._remove(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._remove(node)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        if not all(map(_is_log, node.body)):
            self._force(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._force(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        if not isinstance(node.test, ast.Constant):
            self._replace(node.test, b"False")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._force(condition)
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self._replace(node.type, b"()")
        if isinstance(node.type, ast.Tuple):
            for element in node.type.elts:
                self._replace(element, b"()")  # a name less in the tuple
        for statement in node.body:
            self.visit(statement)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, right in pairwise((node.left, *node.comparators)):
            self._swap_between(left, right, _COMPARISONS)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in pairwise(node.values):
            self._swap_between(left, right, {"and": "or", "or": "and"})
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        sides = (node.left, node.right)
        if not any(_is_text(side) for side in sides):
            self._swap_between(*sides, _ARITHMETIC)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._replace(node, self._text(node.operand))
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg != "strict":  # of zip: the lengths are equal, or it is an error in the code
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in _UNWRAPPED_CALLS and len(node.args) == 1:
            self._replace(node, self._text(node.args[0]))
        if name in _EMPTIED_CALLS and node.args:
            self._replace(node, self._text(node.func) + b"()")
        if name in _RENAMED_CALLS and isinstance(node.func, ast.Name):
            self._replace(node.func, _RENAMED_CALLS[name].encode())
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._replace(node, str(not node.value).encode())
        elif isinstance(node.value, (int, float)):
            self._replace(node, repr(node.value + 1).encode())
        elif isinstance(node.value, str):
            self._change_sql(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._change_sql(node)  # the places of its parts are not to be trusted before 3.12

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__repr__":
            return
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def _change_sql(self, node: ast.expr) -> None:
        text = self._text(node).decode()
        if _SQL.search(text) is None:
            return
        start = self._span(node)[0]
        for pattern, replacement in _SQL_EDITS:
            for found in pattern.finditer(text):
                if found[0] == "AND" and _BETWEEN.search(text, 0, found.start()):
                    continue
                first = start + len(text[: found.start()].encode())
                last = start + len(text[: found.end()].encode())
                self.edits.append((first, last, replacement.encode()))

    def _swap_between(self, left: ast.expr, right: ast.expr, swaps: dict[str, str]) -> None:
        first, last = self._span(left)[1], self._span(right)[0]
        between = self._source[first:last].decode()
        for operator in sorted(swaps, key=len, reverse=True):
            found = re.search(rf"(?<!\S){re.escape(operator)}(?!\S)", between)
            if found is not None:
                start = first + found.start()
                self.edits.append((start, start + len(operator), swaps[operator].encode()))
                return

    def _force(self, condition: ast.expr) -> None:
        self._replace(condition, b"True")
        self._replace(condition, b"False")

    def _remove(self, statement: ast.stmt) -> None:
        self._replace(statement, b"pass")

    def _replace(self, node: ast.AST, replacement: bytes) -> None:
        self.edits.append((*self._span(node), replacement))

    def _text(self, node: ast.AST) -> bytes:
        start, end = self._span(node)
        return self._source[start:end]

    def _span(self, node: ast.AST) -> tuple[int, int]:
        return (
            self._line_starts[node.lineno - 1] + node.col_offset,
            self._line_starts[node.end_lineno - 1] + node.end_col_offset,
        )


def _is_log(statement: ast.stmt) -> bool:
    """Return whether a statement only writes to the log."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
        and isinstance(statement.value.func.value, ast.Name)
        and statement.value.func.value.id == "_LOG"
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
