"""What all kinds of tests share."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from tests.lab.project import project
from tests.support import forks, programs
from tests.support.bytecode import kept_bytecode
from tests.support.docker import docker_engine, shared_engine
from tests.support.leftovers import adopt_orphans, end_leftovers

__all__ = ["docker_engine", "project"]

_LONGEST_NAME = 1_000
"""Every process that a test starts has the test's name in its environment, which is limited."""
_LONGEST = ("story", "docs", "benchmarks", "flows", "adoption", "e2e", "apps", "runtime", "browser", "ops", "engine")
"""Folders in the order in which their tests start; the others follow."""

# No test asserts a time.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="PROGRAM",
        help="fail, instead of skipping, what lacks this program; `all`: any program",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, ...): programs that must be on PATH")
    programs.require(config.getoption("--require"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    programs.check(item)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests start first, so that the workers end together."""
    if named := [item.nodeid[:100] for item in items if len(item.nodeid) > _LONGEST_NAME]:
        raise pytest.UsageError(f"Give the parameters of these tests short ids: {', '.join(named)}")
    items.sort(key=lambda item: _LONGEST.index(folder) if (folder := _folder(item)) in _LONGEST else len(_LONGEST))


def pytest_collection_finish() -> None:
    """Thousands of tests live as long as the run: looking through them for garbage took a tenth of its time."""
    gc.collect()
    gc.freeze()


def heed_signals() -> None:
    """Let what the tests start be cancelled by signals, also where the run itself ignores them: started by nohup, or in
    the background of a script. A signal that is handled has its default action again in a program that is started."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """The commands that tests run are many; pytest's workers are started in here, and share it."""
    if hasattr(config, "workerinput"):
        return (yield)
    adopt_orphans()
    heed_signals()
    with kept_bytecode(), forks.fork_servers(), shared_engine():
        status = yield
    if leftovers := end_leftovers():
        print("Processes that the tests have left running:", *leftovers, sep="\n  ", file=sys.stderr)
        return status or pytest.ExitCode.TESTS_FAILED
    return status


@pytest.fixture(scope="session", autouse=True)
def forked_python() -> None:
    """Python processes start at once."""
    forks.use()
