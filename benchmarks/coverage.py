"""Lines that tests execute, by package and by test module, in all the processes that the tests start.

Every test module runs on its own, in a copy of the checkout. The lines that it executes are kept in ``.local/coverage``
until the product's code or the module changes. Processes forked from the tests' servers are measured; code of processes
that a test kills is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import coverage
import pygit2

from benchmarks.measure import Session
from benchmarks.pytest_runs import Run, python_of, run_pytest
from benchmarks.tests import modules_of
from tests.support.bytecode import FOLDER_VARIABLE
from tests.support.environment import ROOT
from tests.support.source_files import product_packages, source_files

_SHORTEST = "tests/unit/test_naming.py"
_ALL = "total"
_CACHE = ".local/coverage"
_SPLIT = ("ops", "localcloud")
"""Packages with a row for each package in them."""
_CONFIGURATION = """
[run]
parallel = true
sigterm = true
patch = subprocess, fork, _exit
data_file = {data}
include =
{include}
omit =
    */site-packages/*
disable_warnings = no-data-collected, module-not-imported, couldnt-parse
[paths]
infra =
    {checkout}/infra
    */infra
"""


@dataclass(frozen=True)
class Module:
    """What one test module takes, and the lines that it executes of each file."""

    name: str
    seconds: float
    processor: float
    passed: bool
    lines: Mapping[str, Sequence[int]]


def run(session: Session) -> None:
    checkout = (session.repository or ROOT).resolve()
    measured = measure(checkout, [_SHORTEST] if session.smoke else modules_of(checkout))
    executed: defaultdict[str, set[int]] = defaultdict(set)
    for module in measured:
        for path, lines in module.lines.items():
            executed[path].update(lines)
    statements, covered = defaultdict[str, int](int), defaultdict[str, int](int)
    for path in executed if session.smoke else product_files(checkout):
        of_file, missing = _statements(checkout / path, executed[path])
        for package in {package_of(path), path.split("/")[0], _ALL}:
            statements[package] += of_file
            covered[package] += of_file - missing
    print(f"\n{'':<24}  {'statements':>10}  {'executed':>10}")
    for package in sorted(statements, key=lambda name: (name == _ALL, name)):
        share = covered[package] / statements[package] if statements[package] else 1.0
        print(f"{package:<24}  {statements[package]:>10}  {share:>8.1%}")
    for module in measured:
        if not module.passed:
            print(f"failed: {module.name}")
    print(f"test modules: {len(measured)}; processor time: {sum(module.processor for module in measured):.0f} s")


def product_files(checkout: Path) -> list[str]:
    """The product's source files, relative to the checkout."""
    paths = (path for package in product_packages(checkout) for path in source_files(checkout / package))
    return sorted(str(path.relative_to(checkout)) for path in paths)


def package_of(path: str) -> str:
    """The package of a source file; of large packages, the one in it."""
    first, *rest = path.split("/")
    return f"{first}/{rest[0]}" if first in _SPLIT and len(rest) > 1 else first


def measure(checkout: Path, names: Iterable[str]) -> list[Module]:
    """The test modules, of which those run that were not measured before with the same code."""
    cache = checkout / _CACHE
    cache.mkdir(parents=True, exist_ok=True)
    product = _digest(checkout, product_files(checkout))
    entries = {name: cache / f"{name.replace('/', '.')}.json" for name in names}
    digests = {name: _digest(checkout, [name], product) for name in entries}
    missing = [name for name, entry in entries.items() if not _is_current(entry, digests[name])]
    if missing:
        print(f"Test modules to measure: {len(missing)} of {len(entries)}", flush=True)
        with copied(checkout) as copy:
            for number, name in enumerate(missing, start=1):
                module = _measure(copy, name)
                entries[name].write_text(json.dumps(asdict(module) | {"digest": digests[name]}))
                outcome = "" if module.passed else "  FAILED"
                print(f"{number:>3}/{len(missing)}  {name:<48}  {module.seconds:>6.1f} s{outcome}", flush=True)
    return [_read(entry) for entry in entries.values()]


@dataclass(frozen=True)
class Copy:
    """A copy of a checkout, with what Python compiles of it, and the interpreter of the checkout."""

    folder: Path
    bytecode: Path
    python: Path

    def run_pytest(self, arguments: Sequence[str], seconds: float | None = None, **environment: str) -> Run:
        """Run tests of the copy. Their processes share what they compile with those of other runs."""
        kept = {name: str(self.bytecode) for name in ("PYTHONPYCACHEPREFIX", FOLDER_VARIABLE)}
        environment |= {**kept, "PYTHONDONTWRITEBYTECODE": ""}
        return run_pytest(self.python, self.folder, arguments, seconds, **environment)


@contextmanager
def copied(checkout: Path) -> Iterator[Copy]:
    """A copy of all files that git does not ignore, for as long as the block lasts."""
    repository = pygit2.Repository(str(checkout))
    names = {entry.path for entry in repository.index}
    names.update(name for name, status in repository.status().items() if status == pygit2.enums.FileStatus.WT_NEW)
    with tempfile.TemporaryDirectory(prefix="snu-copy-", ignore_cleanup_errors=True) as name:
        bytecode = Path(os.environ.get("PYTHONPYCACHEPREFIX") or f"{name}/bytecode")
        copy = Copy(Path(name) / "checkout", bytecode, python_of(checkout))
        for path in names:
            if (checkout / path).is_file():
                (copy.folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(checkout / path, copy.folder / path, follow_symlinks=False)
        (copy.folder / ".venv").symlink_to(checkout / ".venv")
        bytecode.mkdir(exist_ok=True)
        yield copy


def _measure(copy: Copy, name: str) -> Module:
    with tempfile.TemporaryDirectory(prefix="snu-coverage-") as folder:
        configuration = Path(folder) / "coveragerc"
        include = [*(f"{copy.folder}/{package}/*" for package in product_packages(copy.folder)), "*/infra/*"]
        configuration.write_text(
            _CONFIGURATION.format(
                data=f"{folder}/data",
                checkout=copy.folder,
                include="\n".join(f"    {pattern}" for pattern in include),
            )
        )
        ended = copy.run_pytest([name], COVERAGE_PROCESS_START=str(configuration))
        combined = coverage.Coverage(config_file=str(configuration))
        combined.combine()
        data = combined.get_data()
        files = {Path(file): data.lines(file) for file in data.measured_files()}
        lines = {
            str(path.relative_to(copy.folder)): sorted(found)
            for path, found in files.items()
            if found and path.is_relative_to(copy.folder)
        }
        return Module(name, ended.seconds, ended.processor, ended.status == 0, lines)


def _read(entry: Path) -> Module:
    content = json.loads(entry.read_text())
    del content["digest"]
    return Module(**content)


def _is_current(entry: Path, digest: str) -> bool:
    return entry.exists() and json.loads(entry.read_text())["digest"] == digest


def _digest(checkout: Path, names: Iterable[str], before: str = "") -> str:
    digest = hashlib.sha256(before.encode())
    for name in names:
        content = (checkout / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _statements(path: Path, executed: Collection[int]) -> tuple[int, int]:
    """Those of a file, and how many of them are not executed."""
    measured = coverage.Coverage(data_file=None, config_file=False)
    measured.get_data().add_lines({str(path): executed})
    _, statements, _, missing, _ = measured.analysis2(str(path))
    return len(statements), len(missing)
