"""The identity of a process: boot, PID namespace and start time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from pulumi_state import process as processes
from pulumi_state.process import Process

IMPORTS = "import json; from pulumi_state.process import Process"


def runs(process: Process) -> bool | None:
    """Read the property; the type checker assumes that it stays the same."""
    return process.is_running


def test_this_process_runs() -> None:
    current = Process.current()
    assert current.pid == os.getpid()
    assert current.is_running is True
    assert Process.parse(json.loads(json.dumps(asdict(current)))) == current


def test_a_zombie_is_not_running() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.from_pid(process.pid)
        assert runs(found) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert runs(found) is False
    assert runs(found) is False


def test_unknown_processes_are_neither_running_nor_ended() -> None:
    current = Process.current()
    assert replace(current, started="1").is_running is False
    assert replace(current, boot="another").is_running is None
    assert replace(current, namespace="another").is_running is None
    assert Process(current.pid).is_running is None


def test_a_hidden_process_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert replace(Process.current(), pid=99_999_999).is_running is None


@pytest.mark.parametrize("mount", [[], ["--mount-proc"]])
def test_another_pid_namespace(mount: list[str]) -> None:
    """Process IDs from outside mean nothing there, whether it has its own /proc or ours."""
    outer = json.dumps(asdict(Process.current()))
    script = f"print(Process(**json.loads({outer!r})).is_running, Process.current().is_running)"
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", *mount]
    ran = subprocess.run([*unshare, sys.executable, "-c", f"{IMPORTS}; {script}"], capture_output=True, text=True)
    if ran.stderr.startswith("unshare: "):
        pytest.skip(ran.stderr)
    assert ran.stdout.split() == ["None", "True" if mount else "None"], ran.stderr


def test_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `ps` of macOS and that of Linux print the same columns."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(processes, "_scope", lambda: ("a boot session", ""))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = Process.from_pid(process.pid)
        assert found.started.startswith(("Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "))
        assert runs(found) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert runs(found) is False
    assert runs(found) is False
