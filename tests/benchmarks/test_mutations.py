"""Mutations of the product's code: which there are, and that they leave the working copy as it is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pygit2
import pytest

from benchmarks.coverage import product_files
from benchmarks.mutations.__main__ import main
from benchmarks.mutations.mutants import find, sample
from tests.support.environment import ROOT


def changes(source: str) -> list[str]:
    return [mutation.after for mutation in find("ops/example.py", source.encode())]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a == b", ["a != b"]),
        ("a < b", ["a <= b", "a >= b"]),
        ("(a) not in (b)", ["(a) in (b)"]),
        ("a is None", ["a is not None"]),
        ("a < b == c", ["a <= b == c", "a >= b == c", "a < b != c"]),
        ("a and (b or c)", ["a or (b or c)", "a and (b and c)"]),
        ("x = not (a)", ["x = (a)"]),
        ("if a: b", ["if not (a): b"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if not (a)]"]),
        ("x = a + b", ["x = a - b"]),
        ("x = a + (b,)", ["x = a"]),
        ("x = (a) | (b)", ["x = (a)"]),
        ("x = True", ["x = False"]),
        ("x = 1", ["x = 2"]),
        ("x = 'é' + y", ["x = 'éXX' + y", "x = 'é'"]),
        ("x = f'{a!r:>{b}}'", ["x = (f'{a!r:>{b}}' + 'XX')"]),
        ("def f(): return a", ["def f(): return None"]),
        ("def f(): return None", []),
        ("f()", ["pass"]),
        ("raise E", ["pass"]),
        ("a.b = c", ["pass"]),
        ("a += b", ["pass"]),
    ],
)
def test_what_is_changed(source: str, expected: list[str]) -> None:
    assert sorted(changes(source)) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""A module."""',
        'class A:\n    a: "int | None"\n    """An attribute."""',
        'def f(a: "int | str" = b) -> "list[int]": ...',
        "if TYPE_CHECKING:\n    import a\n    x = 1",
        "x = cast('int', a)",
        "@dataclass(frozen=True)\nclass A: ...",
        "_logger.info('started %s', 1)",
        "x = a  # 1 == 2",
    ],
)
def test_what_is_no_behaviour_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_the_lines_that_show_whether_a_statement_is_executed() -> None:
    source = "@a('b')\ndef f(\n    c=1,\n):\n    while (\n        d\n    ):\n        return 2\n"
    found = {mutation.line: mutation for mutation in find("ops/example.py", source.encode())}
    assert {line: sorted(mutation.statement_lines) for line, mutation in found.items()} == {
        1: [1, 2, 3, 4],
        3: [1, 2, 3, 4],
        6: [5, 6, 7],
        8: [8],
    }
    assert [line for line, mutation in found.items() if mutation.in_function] == [6, 8]


def test_ids_do_not_depend_on_the_lines_above() -> None:
    source = b"def f():\n    a(1)\n    a(1)\n"
    before, after = find("ops/example.py", source), find("ops/example.py", b"import a\n\n\n" + source)
    assert [mutation.id for mutation in before] == [mutation.id for mutation in after]
    assert len({mutation.id for mutation in before}) == len(before) == 4


def test_a_sample_depends_on_its_seed_only() -> None:
    sources = {path: (ROOT / path).read_bytes() for path in product_files(ROOT)[::20]}
    mutations = [mutation for path, source in sources.items() for mutation in find(path, source)]
    drawn = sample(mutations, 50, 7)
    assert drawn == sample(mutations, 50, 7)
    assert drawn != sample(mutations, 50, 8)
    assert len({(mutation.path, mutation.line) for mutation in drawn}) == 50
    for mutation in drawn:
        compile(mutation.apply(sources[mutation.path]), mutation.path, "exec")


PLUGINS = ("anyio", "asyncio", "hypothesispytest", "playwright", "randomly", "syrupy", "xdist")
WITHOUT_PLUGINS = " ".join(f"-p no:{plugin}" for plugin in PLUGINS)
"""Loading them takes longer than the rest of a run."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for path, content in {
        ".gitignore": ".venv\n.local\n",
        "pyproject.toml": f"[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = '{WITHOUT_PLUGINS}'\n",
        "ops/__init__.py": "",
        "ops/sign.py": "def sign(n):\n    return 1 if n > 0 else -1\n\n\ndef unused():\n    return 0\n",
        "tests/unit/test_sign.py": "from ops.sign import sign\n\n\ndef test_sign():\n    assert sign(5) == 1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    pygit2.init_repository(str(tmp_path))
    return tmp_path


def content(checkout: Path) -> dict[Path, tuple[bytes, int]]:
    files = [path for path in checkout.rglob("*") if path.is_file() and not {".venv", ".local"} & {*path.parts}]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def ids(checkout: Path) -> list[str]:
    """A mutation that the test catches, one that it does not catch, and one that it does not execute."""
    found = {mutation.after: mutation.id for mutation in find("ops/sign.py", (checkout / "ops/sign.py").read_bytes())}
    return [found["return 2 if n > 0 else -1"], found["return 1 if n >= 0 else -1"], found["return 1"]]


def test_outcomes_and_reports(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(checkout)
    caught, survived, unused = ids(checkout)
    main(["--only", caught, survived, unused], root=checkout)
    printed = capsys.readouterr().out
    assert (
        printed.partition("test_sign.py  ")[2].partition("\n")[2]
        == f"""\
  1/3  {caught}  ops/sign.py:2  constant  caught  tests/unit/test_sign.py::test_sign
  2/3  {survived}  ops/sign.py:2  comparison  survived
  3/3  {unused}  ops/sign.py:6  constant  executed by no test

                          mutations  caught
ops                               3       1
total                             3       1

caught: 1
survived: 1
executed by no test: 1

{survived}  ops/sign.py:2  survived
  - return 1 if n > 0 else -1
  + return 1 if n >= 0 else -1
  ran: tests/unit/test_sign.py

{unused}  ops/sign.py:6  executed by no test
  - return 0
  + return 1
"""
    )
    assert content(checkout) == before


def test_another_checkout_has_its_own_lines_and_tests(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = checkout.with_name("other")
    shutil.copytree(checkout, other, symlinks=True)
    source = other / "ops/sign.py"
    source.write_text("import os\n" + source.read_text().replace("return 0", "return 0.0"))
    test = other / "tests/unit/test_sign.py"
    test.write_text(test.read_text().replace("sign(5) == 1", "sign(0) == -1").replace("test_sign():", "test_zero():"))
    test.rename(other / "tests/unit/test_zero.py")
    before = content(other)
    caught, survived, only_here = ids(checkout)
    assert main(["--only", caught, only_here, "--checkout", str(other)], root=checkout) == 1
    assert f"no mutation has the id {only_here} in both checkouts" in capsys.readouterr().err
    main(["--only", caught, survived, "--checkout", str(other)], root=checkout)
    printed = capsys.readouterr().out
    assert (
        printed.partition("test_zero.py  ")[2].partition("\n")[2]
        == f"""\
  1/2  {caught}  ops/sign.py:2  constant  caught  tests/unit/test_sign.py::test_sign
       in {other}: survived
  2/2  {survived}  ops/sign.py:2  comparison  survived
       in {other}: caught  tests/unit/test_zero.py::test_zero

                          mutations  caught  caught in {other}
ops                               2       1  {1:>{len(f"caught in {other}")}}
total                             2       1  {1:>{len(f"caught in {other}")}}

caught: 1
survived: 1

{survived}  ops/sign.py:2  survived
  - return 1 if n > 0 else -1
  + return 1 if n >= 0 else -1
  ran: tests/unit/test_sign.py
  in the other checkout caught by tests/unit/test_zero.py::test_zero
"""
    )
    assert content(other) == before
