"""A process is told from every other one: by boot, PID namespace and start time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from pulumi_state import process as processes
from pulumi_state.process import Process

WHO = "import json; from dataclasses import asdict; from pulumi_state.process import Process; {}"


def runs(process: Process) -> bool | None:
    """Asked again each time, which the type checker does not expect of a property."""
    return process.runs


def test_this_process_runs() -> None:
    current = Process.current()
    assert current.pid == os.getpid()
    assert current.runs is True
    assert Process.parse(json.loads(json.dumps(asdict(current)))) == current


def test_a_process_that_nobody_has_waited_for_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.of(process.pid)
        assert runs(found) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert runs(found) is False
    assert runs(found) is False


def test_what_cannot_be_known_is_not_guessed() -> None:
    current = Process.current()
    assert replace(current, started="1").runs is False
    assert replace(current, boot="another").runs is None
    assert replace(current, namespace="another").runs is None
    assert Process(current.pid).runs is None


def test_a_process_of_another_user_that_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert replace(Process.current(), pid=99_999_999).runs is None


@pytest.mark.parametrize("mount", [[], ["--mount-proc"]])
def test_another_pid_namespace(mount: list[str]) -> None:
    """There the numbers of other processes mean nothing, whether it sees its own /proc or ours."""
    ask = f"print(Process(**json.loads({json.dumps(asdict(Process.current()))!r})).runs, Process.current().runs)"
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", *mount, sys.executable, "-c", WHO.format(ask)]
    ran = subprocess.run(inside, capture_output=True, text=True)
    if ran.stderr.startswith("unshare: "):
        pytest.skip(ran.stderr)
    assert ran.stdout.split() == ["None", "True" if mount else "None"], ran.stderr


def test_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `ps` and the one of Linux print the same columns."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(processes, "_where", lambda: ("a boot session", ""))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.of(process.pid)
        assert found.started.startswith(("Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "))
        assert runs(found) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert runs(found) is False
    assert runs(found) is False
