"""What the tests take, folder by folder, each in one pytest process: here or in another checkout."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Session
from benchmarks.pytest_runs import Run, python_of, run_pytest
from tests.support.environment import ROOT

_SHORTEST = "tests/licences"


def modules_of(checkout: Path) -> list[str]:
    """All files with tests, relative to the checkout."""
    return sorted(str(path.relative_to(checkout)) for path in (checkout / "tests").rglob("test_*.py"))


def folders_of(checkout: Path) -> list[str]:
    """The folders right below ``tests`` that have tests."""
    return sorted({"/".join(module.split("/")[:2]) for module in modules_of(checkout)})


def run(session: Session) -> None:
    checkout = (session.repository or ROOT).resolve()
    python = python_of(checkout)
    if not session.smoke:
        run_pytest(python, checkout, ["--collect-only", "tests"])  # compiles what all folders import
    total: list[Run] = []
    print(f"\n{'':<20}  {'passed':>6}  {'failed':>6}  {'skipped':>7}  {'seconds':>9}  {'processor':>9}")
    for folder in [_SHORTEST] if session.smoke else folders_of(checkout):
        runs = [run_pytest(python, checkout, [folder]) for _ in range(session.rounds)]
        total.append(_median(runs))
        print("\n".join([_row(folder, total[-1:]), *(f"  failed: {test}" for test in runs[-1].failing)]), flush=True)
    print(_row("total", total))


def _median(runs: Sequence[Run]) -> Run:
    """Times of several runs; what the last one counted."""
    last = runs[-1]
    seconds = statistics.median(run.seconds for run in runs)
    processor = statistics.median(run.processor for run in runs)
    return Run(last.status, seconds, processor, last.output, last.passed, last.failed, last.skipped)


def _row(name: str, runs: Sequence[Run]) -> str:
    counts = (sum(each) for each in zip(*((run.passed, run.failed, run.skipped) for run in runs), strict=True))
    passed, failed, skipped = counts
    seconds, processor = sum(run.seconds for run in runs), sum(run.processor for run in runs)
    row = f"{name:<20}  {passed:>6}  {failed:>6}  {skipped:>7}  {seconds:>7.1f} s  {processor:>7.1f} s"
    ended = [run for run in runs if run.status not in (0, 1, 5)]
    return f"{row}  exit code {ended[0].status}" if ended else row
