"""Finds the small changes of source code that tests should catch."""

from __future__ import annotations

import ast
import hashlib
import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_KINDS = {ast.Compare: "comparison", ast.BoolOp: "and, or", ast.BinOp: "arithmetic"}
_OTHER_OPERATORS = {
    "==": ["!="],
    "!=": ["=="],
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "is": ["is not"],
    "is not": ["is"],
    "in": ["not in"],
    "not in": ["in"],
    "and": ["or"],
    "or": ["and"],
    "+": ["-"],
    "-": ["+"],
    "*": ["/"],
    "//": ["*"],
    "%": ["//"],
    "**": ["*"],
    "<<": [">>"],
    ">>": ["<<"],
    "&": ["|"],
    "^": ["&"],
}
_WITHOUT_RIGHT = (ast.BitOr, ast.Div)
"""Mostly unions of mappings and paths: another operator would only raise a `TypeError`."""
_SEQUENCES = (ast.JoinedStr, ast.List, ast.ListComp, ast.Tuple)
_OPERATOR = re.compile(rb"not\s+in\b|is\s+not\b|(?:in|is|and|or)\b|[-+*/%@&|^<>=!]+")
_COMMENT = re.compile(rb"#[^\n]*")
_LOGGERS = re.compile(r"(?:^|\.)_?log(?:ger|ging)?\.(?:debug|info|warning|error|exception|critical)$")
_ADDED = "XX"
_SHOWN = 110

Edit = tuple[str, int, int, str]
"""Kind, offset of the first byte and of the one after the last, and what is there instead."""


@dataclass(frozen=True)
class Mutation:
    """One change of one file. Its id stays the same as long as its line does, wherever that is in its function."""

    id: str
    path: str
    line: int
    statement_lines: frozenset[int]
    """Without those of the statements inside it."""
    in_function: bool
    """False for what is executed by an import."""
    kind: str
    before: str
    after: str
    start: int
    end: int
    replacement: str

    def apply(self, source: bytes) -> bytes:
        """The file's changed content."""
        return source[: self.start] + self.replacement.encode() + source[self.end :]


def sample(mutations: Iterable[Mutation], count: int, seed: int) -> list[Mutation]:
    """At most one mutation per line: first the lines are drawn, then a kind, then one of that kind."""
    lines: defaultdict[tuple[str, int], defaultdict[str, list[Mutation]]] = defaultdict(lambda: defaultdict(list))
    for mutation in mutations:
        lines[mutation.path, mutation.line][mutation.kind].append(mutation)
    chance = random.Random(seed)
    drawn = chance.sample(sorted(lines), min(count, len(lines)))
    return [chance.choice(lines[line][chance.choice(sorted(lines[line]))]) for line in drawn]


def find(path: str, source: bytes) -> list[Mutation]:
    """All mutations of one file, in the order of its lines."""
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    return sorted(finder.found, key=lambda mutation: (mutation.start, mutation.end, mutation.replacement))


def function_lines(source: bytes) -> set[int]:
    """The lines that an import does not execute."""
    nodes = ast.walk(ast.parse(source))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {line for node in functions for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}


class _Finder:
    """Walks through a file's syntax tree, and not through what is no behaviour."""

    def __init__(self, path: str, source: bytes) -> None:
        self.found: list[Mutation] = []
        self._path, self._source = path, source
        self._starts = [0, *itertools.accumulate(len(line) + 1 for line in source.split(b"\n"))]
        self._scope: tuple[str, ...] = ()
        self._in_function = False
        self._statement = range(0)
        self._known: Counter[tuple[str, ...]] = Counter()

    def visit(self, node: ast.AST) -> None:
        before = self._statement, self._in_function, self._scope
        if isinstance(node, ast.stmt | ast.match_case):
            self._statement = _header(node)
        for edit in self._edits(node):
            self._add(*edit)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._scope = (*self._scope, node.name)
        body = node.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
        for child in _children(node):
            self._in_function = before[1] or child in body
            self.visit(child)
        self._statement, self._in_function, self._scope = before

    def _add(self, kind: str, start: int, end: int, replacement: str) -> None:
        line = self._source.count(b"\n", 0, start) + 1
        first = self._starts[line - 1]
        last = self._starts[line + self._source.count(b"\n", start, end)] - 1
        old = self._source[first:last].decode()
        new = (self._source[first:start] + replacement.encode() + self._source[end:last]).decode()
        key = (self._path, ".".join(self._scope), _one_line(old, None), _one_line(new, None))
        self._known[key] += 1
        number = hashlib.sha256("\0".join((*key, str(self._known[key]))).encode()).hexdigest()[:8]
        self.found.append(
            Mutation(
                *(number, self._path, line, frozenset(self._statement), self._in_function, kind),
                *(_one_line(old), _one_line(new), start, end, replacement),
            )
        )

    def _edits(self, node: ast.AST) -> Iterator[Edit]:  # noqa: C901, PLR0912 - a case for each kind of node
        match node:
            case ast.BinOp() if isinstance(node.op, _WITHOUT_RIGHT) or any(map(_is_sequence, (node.left, node.right))):
                yield "arithmetic", self._operator(node.left, node.right)[1], self._span(node)[1], ""
            case ast.Compare() | ast.BoolOp() | ast.BinOp():
                for left, right in itertools.pairwise(_operands(node)):
                    operator, start, end = self._operator(left, right)
                    for other in _OTHER_OPERATORS.get(operator, ()):
                        yield _KINDS[type(node)], start, end, other
            case ast.UnaryOp(op=ast.Not()):
                start, _ = self._span(node)
                yield "not", start, start + len("not"), ""
            case ast.Constant(value=bool() | int() | float() | str() | bytes() as value):
                yield "constant", *self._span(node), repr(_other(value))
            case ast.JoinedStr():
                start, end = self._span(node)
                yield "constant", start, end, f"({self._source[start:end].decode()} + {_ADDED!r})"
            case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
                yield "return", *self._span(value), "None"
            case ast.AugAssign() | ast.Delete() | ast.Raise() | ast.Break() | ast.Continue():
                yield "statement", *self._span(node), "pass"
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Expr(value=ast.Call() | ast.Await()):
                if not _is_log(node.value):
                    yield "statement", *self._span(node), "pass"
            case _:
                pass
        for test in _conditions(node):
            start, end = self._span(test)
            yield "not", start, end, f"not ({self._source[start:end].decode()})"

    def _span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def _operator(self, left: ast.expr, right: ast.expr) -> tuple[str, int, int]:
        """What is between two operands, beside parentheses and comments, and where."""
        start = self._span(left)[1]
        between = _COMMENT.sub(lambda comment: b" " * len(comment[0]), self._source[start : self._span(right)[0]])
        found = _OPERATOR.search(between)
        assert found, f"no operator in {between!r}"
        return " ".join(found[0].decode().split()), start + found.start(), start + found.end()


def _operands(node: ast.Compare | ast.BoolOp | ast.BinOp) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp):
        return node.values
    return [node.left, *(node.comparators if isinstance(node, ast.Compare) else [node.right])]


def _header(node: ast.stmt | ast.match_case) -> range:
    """The lines of a statement, from its first decorator to what is inside it."""
    decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
    inside: Sequence[ast.stmt | ast.match_case] = getattr(node, "body", ()) or getattr(node, "cases", ())
    first = min([_line(node), *(decorator.lineno for decorator in decorators)])
    end = _line(inside[0]) if inside else (getattr(node, "end_lineno", None) or first) + 1
    return range(first, max(first + 1, end))


def _line(node: ast.stmt | ast.match_case) -> int:
    return node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno


def _children(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes below this one, without annotations, docstrings and texts for logs."""
    left_out: list[ast.AST | None] = []
    match node:
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.arg():
            return ()
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            return node.orelse
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            left_out.append(node.returns)
        case ast.AnnAssign():
            left_out.append(node.annotation)
        case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("__"):
            return ()
        case ast.Subscript(value=ast.Name(id="Literal")) | ast.keyword(arg="frozen"):
            return ()
        case ast.Call(func=ast.Name(id="cast")):
            left_out.append(node.args[0])
        case ast.Call() if _is_log(node):
            return ()
        case _:
            pass
    return [child for child in ast.iter_child_nodes(node) if child not in left_out]


def _conditions(node: ast.AST) -> Iterable[ast.expr]:
    """Conditions that can be negated, and are not changed to the same effect in another way."""
    tests = []
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        tests = [node.test]
    elif isinstance(node, ast.comprehension):
        tests = node.ifs
    return [
        test
        for test in tests
        if not isinstance(test, ast.Compare | ast.Constant)
        and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))
        and "TYPE_CHECKING" not in ast.unparse(test)
    ]


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _LOGGERS.search(ast.unparse(node.func)) is not None


def _is_sequence(node: ast.expr) -> bool:
    return isinstance(node, _SEQUENCES) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _other(value: bool | int | float | str | bytes) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + _ADDED
    return value + _ADDED.encode() if isinstance(value, bytes) else value + 1


def _one_line(text: str, shown: int | None = _SHOWN) -> str:
    text = " ".join(text.split())
    return text if shown is None or len(text) <= shown else f"{text[:shown]}…"
