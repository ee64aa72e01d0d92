"""What other processes and files get to know of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from ops import local
from ops.engines import pulumi_cli
from ops.engines.program.environment import program_environment
from ops.process_environment import OWN_SECRETS
from tests.support.environment import ROOT
from tests.support.forks import REAL_PYTHON


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="drops root's rights to be another user")
def test_a_process_of_the_same_user_cannot_read_its_environment() -> None:
    """Of two processes of one user, one reads the other's environment, before and after that has become private."""
    script = """
import ctypes, os
from ops.private_process import keep_private
os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after a start by that user
def can_be_read():
    reader = os.fork()
    if reader == 0:
        try:
            open(f"/proc/{os.getppid()}/environ", "rb").read()
        except PermissionError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(reader, 0)[1] == 0
print(can_be_read())
keep_private()
print(can_be_read())
"""
    ran = subprocess.run([REAL_PYTHON, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False"]


def test_neither_it_nor_what_it_starts_writes_a_core_file() -> None:
    script = """
import os, subprocess, sys
from ops.private_process import keep_private
keep_private()
print(subprocess.run([sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"],
                     capture_output=True, text=True).stdout, end="", flush=True)
os.abort()
"""
    process = subprocess.Popen([REAL_PYTHON, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    _, status = os.waitpid(process.pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert process.stdout is not None
    with process.stdout as output:
        assert output.read() == "(0, 0)\n"
    process.returncode = os.waitstatus_to_exitcode(status)


def test_the_command_makes_itself_private() -> None:
    script = "import resource, runpy, sys\nsys.argv = ['snu', '--help']\n"
    script += "try:\n    runpy.run_module('ops', run_name='__main__')\nexcept SystemExit:\n    pass\n"
    script += "sys.exit(resource.getrlimit(resource.RLIMIT_CORE) != (0, 0))"
    subprocess.run([REAL_PYTHON, "-c", script], cwd=ROOT, capture_output=True, check=True)


_CANARY = "canary-not-a-secret"


def _with_canary(received: Mapping[str, str]) -> list[str]:
    return [name for name, value in received.items() if value == _CANARY]


def test_no_program_gets_a_key_that_only_the_command_needs() -> None:
    given = dict.fromkeys((*OWN_SECRETS, "SCW_SECRET_KEY", "DOCKER_HOST"), _CANARY)
    assert _with_canary(pulumi_cli._environment(given)) == ["SCW_SECRET_KEY", "DOCKER_HOST"]
    # It runs for longer than anybody needs these keys.
    assert _with_canary(local._server_environment(given)) == ["DOCKER_HOST"]
    assert _with_canary(program_environment(given)) == []
