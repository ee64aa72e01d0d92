"""A run that is asked to stop: Ctrl-C once and twice, a cancelled job, a closed terminal, ``kill -9``."""

from __future__ import annotations

import json
import os
import pty
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from ops.exit_codes import ExitCode
from tests.flows.test_interrupted import Saved, arguments, begin, completes, recover, saved, snu
from tests.lab.interruption import Hold, Victim, pending
from tests.lab.lab import Lab
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON
from tests.support.processes import wait_until_ended
from tests.support.pulumi_cli import needs_pulumi

__all__ = ["saved"]

pytestmark = pytest.mark.xdist_group("interrupted")  # one worker makes their lab

WAITING = "Press Ctrl-C again to stop immediately; operations in progress will remain pending in the state.\n"


@pytest.fixture(params=["embedded", pytest.param("pulumi", marks=needs_pulumi)])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def lab(saved: Saved) -> Iterator[Lab]:
    """The foundation is up."""
    yield begin(saved, "local", "up")
    saved.lab.project.stop_cloud()


def held(lab: Lab, engine: str, when: str = "before") -> Victim:
    """An ``up`` whose first creation is under way until faults are cleared."""
    hold = Hold.after(0, lab, method="POST", when=when)
    home = {"PULUMI_HOME": str(lab.project.directory / ".pulumi-home")}
    victim = Victim.start(lab, *arguments("up", "local"), "--engine", engine, environment=home)
    hold.await_request(victim)
    return victim


def cancel(victim: Victim, number: signal.Signals) -> str:
    """Send a signal; gives all that is said until it is known what is waited for."""
    os.kill(victim.pid, number)
    said = ""
    for line in victim.output:
        said += line
        if line == WAITING:
            return said
    raise AssertionError(f"it was not said what is waited for:\n{said}")


def newest_update(lab: Lab) -> dict[str, Any]:
    """Its record."""
    (update,) = json.loads(lab.project.snu("state", "history", "local", "--most", "1", "--json").stdout)["updates"]
    return dict(update)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_when_what_is_under_way_has_ended(lab: Lab, engine: str, number: signal.Signals) -> None:
    victim = held(lab, engine)
    assert "Cancelling: waiting for 1 operation in progress:\n  creating namespace (" in cancel(victim, number)
    os.kill(victim.pid, number)  # only a Ctrl-C is a second one
    lab.clear_faults()
    run = victim.wait()
    assert run.returncode == ExitCode.CANCELLED, run.stdout
    assert "local: cancelled before it completed. Run the same command again to continue.\n" in run.stdout
    assert pending(lab, "local") == []
    assert newest_update(lab)["result"] == "failed"


def test_a_second_ctrl_c_ends_at_once_and_says_how_to_go_on(saved: Saved, lab: Lab, engine: str) -> None:
    victim = held(lab, engine, when="after")
    cancel(victim, signal.SIGINT)
    os.kill(victim.pid, signal.SIGINT)
    run = victim.wait()
    assert run.returncode == ExitCode.CANCELLED, run.stdout
    assert "Traceback" not in run.stdout
    names = [f"{operation} {name}" for operation, name in pending(lab, "local")]
    assert "creating namespace" in names
    listed = "".join(f"  {name}\n" for name in names)
    told = f"a run was interrupted, and the result of these operations is unknown:\n{listed}"
    next_command = "Run `scripts/snu recover local` next."
    assert f"{told}{next_command}\n" in run.stdout
    assert newest_update(lab)["result"] == "failed"
    lab.clear_faults()
    preview = snu(lab, "preview", "local", engine=engine)
    assert "warning: local: a run was interrupted" in preview.stdout, preview.stdout + preview.stderr
    assert all(said in preview.stdout for said in (*names, next_command))
    interrupted = f"interrupted: {', '.join(names)}; run `scripts/snu recover local`\n"
    assert f"  {interrupted}" in lab.project.snu("status").stdout
    assert lab.project.snu("state", "history", "local").stdout.startswith(interrupted)
    recover(lab, "local", engine)
    completes(saved, "local", "up", engine)


def test_a_terminal_that_is_closed(lab: Lab) -> None:
    """The kernel sends SIGHUP to all on it, and the terminal refuses what they write."""
    hold = Hold.after(0, lab, method="POST")
    directory = str(lab.project.directory)
    command = [REAL_PYTHON, "-P", "-m", "ops", *arguments("up", "local"), "--engine", "embedded", "-C", directory]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(REAL_PYTHON, command, clean_environment(PYTHONPATH=str(ROOT), TERM="xterm"))
    hold.await_request()
    os.close(terminal)
    lab.clear_faults()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == ExitCode.CANCELLED
    assert pending(lab, "local") == []
    assert len(lab.state("local")["resources"]) > 1
    assert newest_update(lab)["result"] == "failed"


@needs_pulumi
def test_the_cli_ends_with_a_command_that_is_killed(saved: Saved, lab: Lab) -> None:
    victim = held(lab, "pulumi")
    family = victim.family
    assert {"pulumi", "pulumi-resource"} <= {*family.values()}
    os.kill(victim.pid, signal.SIGKILL)
    lab.clear_faults()
    for pid in family:
        wait_until_ended(pid)
    victim.wait()
    assert pending(lab, "local") == [], "the CLI has let the operation end"
    recover(lab, "local", "pulumi")
    completes(saved, "local", "up", "pulumi")
