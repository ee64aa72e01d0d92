"""Runs of pytest in a process of its own: what it counted, and what it and everything below it took."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.leftovers import adopt_orphans, end_leftovers

_ENDING_SECONDS = 10.0
_FOREIGN = ("COVERAGE_", "PYTEST_")
"""Variables of a run in which this one takes place."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """The outcome of a run; `status` is None if it was ended at its time limit."""

    status: int | None
    seconds: float
    processor: float
    """Seconds, user and system, of all processes."""
    output: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def failing(self) -> list[str]:
        """The tests that failed."""
        return _FAILED.findall(self.output)


def python_of(checkout: Path) -> Path:
    """The interpreter of the checkout's own virtual environment."""
    python = checkout / ".venv/bin/python"
    if not python.exists():
        raise SystemExit(f"error: {checkout} has no .venv. Run scripts/bootstrap --dev there.")
    return python


def run_pytest(
    python: Path, folder: Path, arguments: Sequence[str], seconds: float | None = None, **environment: str
) -> Run:
    """Run pytest with one worker on the tests in ``folder``, for so many seconds at most."""
    adopt_orphans()
    others = psutil.Process().children()
    with tempfile.TemporaryDirectory(prefix="snu-pytest-") as name:
        report, log = Path(name) / "report.xml", Path(name) / "log"
        used, started = _processor_time(), time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments],
                cwd=folder,
                env={k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            status = _wait(process, seconds)
        took = time.monotonic() - started
        end_leftovers(others, _ENDING_SECONDS)  # their time counts once they have been waited for
        used = _processor_time() - used
        return Run(status, took, used, log.read_text(errors="replace"), *_counts(report))


def _wait(process: subprocess.Popen[bytes], seconds: float | None) -> int | None:
    """The exit code; None at the time limit, once the run has ended its own processes or was killed."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def _processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _counts(report: Path) -> tuple[int, int, int]:
    """Passed, failed, skipped."""
    if not report.exists():
        return 0, 0, 0
    suites = list(ElementTree.parse(report).iter("testsuite"))  # noqa: S314 - written by the run
    tests, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    return tests - failures - errors - skipped, failures + errors, skipped
