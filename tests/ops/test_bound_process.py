"""Processes that end with the one that started them, whichever way it ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ops.bound_process import bound_process
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON
from tests.support.processes import wait_until_ended

LEAVES_A_CHILD = "sleep 600 & echo $$ $!; "
PARENT = """
import sys
from ops.bound_process import bound_process
with bound_process(["sh", "-c", sys.argv[1]], grace=float(sys.argv[2])) as process:
    process.wait()
"""


@pytest.mark.parametrize(
    ("script", "grace", "orderly"),
    [
        (f"trap 'echo ended >ended; exit' INT; {LEAVES_A_CHILD} while :; do sleep 0.01; done", 600, True),
        (f"trap '' INT; {LEAVES_A_CHILD} sleep 600", 0.1, False),
    ],
    ids=["by itself", "by force"],
)
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path, script: str, grace: float, orderly: bool) -> None:
    parent = subprocess.Popen(
        [REAL_PYTHON, "-c", PARENT, script, str(grace)],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    for pid in pids:
        wait_until_ended(pid)
    parent.stdout.close()
    assert (tmp_path / "ended").exists() is orderly


def test_it_ends_with_the_block_and_takes_along_what_it_started() -> None:
    for script in (LEAVES_A_CHILD, LEAVES_A_CHILD + "trap '' INT; sleep 600"):
        with bound_process(["sh", "-c", script], grace=0.0, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            pids = [int(pid) for pid in process.stdout.readline().split()]
            assert process.pid == pids[0], "the command has the number that is known here"
            assert os.getsid(process.pid) == process.pid, "Ctrl-C on the terminal must not reach it"
            if "trap" not in script:
                assert process.wait() == 0
        for pid in pids:
            wait_until_ended(pid)


def test_a_command_that_does_not_exist() -> None:
    with bound_process(["no-such-command"], grace=0.0, stderr=subprocess.PIPE, text=True) as process:
        _, errors = process.communicate()
    assert process.returncode == 127
    assert errors == "error: no-such-command cannot be started: No such file or directory\n"
