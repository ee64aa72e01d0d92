"""One at a time on a stack, as users meet it: refused, waited for, unlocked, and fenced when it was only paused."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops.exit_codes import ExitCode
from tests.lab.checks import check_no_duplicates, check_state
from tests.lab.interruption import Hold, Victim
from tests.lab.lab import Lab, Run
from tests.support.environment import clean_environment
from tests.support.pulumi_cli import needs_pulumi

_HOLDER = """
import sys, time
from ops.state.lock import acquire
from pulumi_state.store import open_store
with acquire(open_store(sys.argv[1], {}), "snu", "local", "a long work", timeout=0, on_wait=print, on_lost=print):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def _held(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the stack."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, lab.project.backend_url],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def _snu(lab: Lab, *words: str, engine: str = "embedded") -> Run:
    return lab.project.snu(*words, "--engine", engine, PULUMI_HOME=_home(lab))


def _home(lab: Lab) -> str:
    return str(lab.project.directory / ".pulumi-home")


def _unlock_by_force(lab: Lab, answer: str) -> Run:
    """At a terminal; the answer is typed when it is asked for."""
    terminal, slave = pty.openpty()
    directory = str(lab.project.directory)
    command = [sys.executable, "-m", "ops", "unlock", "local", "--force", "-C", directory]
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            text=True,
        )
        assert process.stdout is not None
        asked = ""
        while not asked.endswith("all locks: ") and (character := process.stdout.read(1)):
            asked += character
        os.write(terminal, f"{answer}\n".encode())
        stdout, stderr = process.communicate(timeout=60)
    finally:
        os.close(terminal)
        os.close(slave)
    return subprocess.CompletedProcess(command, process.returncode, asked + stdout, stderr)


def test_a_live_owner_is_named_and_unlocked_by_force_only(lab: Lab) -> None:
    with _held(lab) as holder:
        refused = lab.up("local")
        assert refused.returncode == ExitCode.LOCKED, refused.stdout + refused.stderr
        assert f"(pid {holder.pid}) for a long work, since 20" in refused.stderr
        waited = lab.up("local", "--lock-timeout", "1s")
        assert waited.returncode == ExitCode.LOCKED
        assert "Waiting for" in waited.stdout
        kept = lab.project.snu("unlock", "local", "--yes")
        assert kept.returncode == ExitCode.LOCKED
        assert "its process is running" in kept.stdout
        assert "nothing was changed" in kept.stderr
        assert "`scripts/snu unlock local --force`" in kept.stderr
        assert lab.up("local").returncode == ExitCode.LOCKED
        assert lab.project.snu("unlock", "local", "--force", "--yes").returncode == ExitCode.USAGE
        assert _unlock_by_force(lab, "yes").returncode == ExitCode.CANCELLED
        assert lab.up("local").returncode == ExitCode.LOCKED
        forced = _unlock_by_force(lab, "local")
        assert forced.returncode == ExitCode.OK, forced.stderr
        assert "is only paused, it continues without its lock" in forced.stdout
        assert "local is not locked" in lab.project.snu("unlock", "local").stdout


def test_a_dead_owner_is_shown_and_unlocked(lab: Lab) -> None:
    with _held(lab) as holder:
        pass
    removed = lab.project.snu("unlock", "local", "--yes")
    assert removed.returncode == ExitCode.OK, removed.stderr
    assert f"(pid {holder.pid})" in removed.stdout
    assert "its process has ended" in removed.stdout
    again = lab.project.snu("unlock", "local", "--yes")
    assert "local is not locked" in again.stdout


@pytest.mark.parametrize("engine", ["embedded", pytest.param("pulumi", marks=needs_pulumi)])
def test_a_paused_run_overwrites_nothing(lab: Lab, engine: str) -> None:
    """It is paused in the middle, its lock is removed, another run completes, and it goes on."""
    hold = Hold.after(4, lab, method="POST")
    words = ["up", "local", "--yes", "--skip-preview", "--engine", engine]
    victim = Victim.start(lab, *words, environment={"PULUMI_HOME": _home(lab)})
    hold.await_request(victim)
    victim.signal_all(signal.SIGSTOP)
    lab.clear_faults()
    older = lab.state_file("local").read_bytes()
    assert _snu(lab, "up", "local", "--yes", engine=engine).returncode == ExitCode.LOCKED

    lock = lab.project.directory / ".local/state/.snu/locks/snu/local.json"
    then = time.time() - 11 * 60
    os.utime(lock, (then, then))
    unlocked = _snu(lab, "unlock", "local", "--yes")
    assert "may be paused" in unlocked.stdout
    if engine == "pulumi":
        assert unlocked.returncode == ExitCode.LOCKED
        assert "`pulumi cancel local` or `scripts/snu unlock local --force`" in unlocked.stderr
        assert _unlock_by_force(lab, "local").returncode == ExitCode.OK
    else:
        assert unlocked.returncode == ExitCode.OK, unlocked.stderr
    for command in ("recover", "up"):
        completed = _snu(lab, command, "local", "--yes", engine=engine)
        assert completed.returncode == ExitCode.OK, completed.stdout + completed.stderr
    newer = lab.state_file("local").read_bytes()

    victim.signal_all(signal.SIGCONT)
    lost = victim.wait()
    assert lost.returncode == ExitCode.LOCKED, lost.stdout
    assert "this run (snu up) lost its lock: the lock was removed or taken over by another run" in lost.stdout
    assert ("overwrote a newer state, which has been restored" in lost.stdout) == (engine == "pulumi")
    assert lab.state_file("local").read_bytes() == newer
    check_state(lab, "local")
    check_no_duplicates(lab)
    again = _snu(lab, "preview", "local", "--expect-no-changes", engine=engine)
    assert again.returncode == ExitCode.OK, again.stdout + again.stderr

    # As a run does that could not restore it.
    lab.state_file("local").write_bytes(older)
    history = lab.project.directory / ".local/state/.pulumi/history/snu/local"
    record = {"kind": "update", "startTime": 0, "endTime": 1, "result": "succeeded"}
    (history / "local-1.history.json").write_text(json.dumps(record))
    refused = _snu(lab, "up", "local", "--yes", engine=engine)
    assert refused.returncode == ExitCode.INTERRUPTED
    assert "the state is older than the one left by the run at" in refused.stderr
    for command in ("preview", "drift"):
        warned = _snu(lab, command, "local", engine=engine)
        warning = "warning: local: the state is older than the one left by the run at"
        assert warning in warned.stderr, warned.stdout + warned.stderr
    status = lab.project.snu("status", "--json")
    assert [each["stack"] for each in json.loads(status.stdout)["environments"] if each["overwritten"]] == ["local"]
    assert "warning: local: the state is older than the one left by the run at" in status.stderr
    recovered = _snu(lab, "recover", "local", "--yes", engine=engine)
    assert recovered.returncode == ExitCode.OK, recovered.stdout + recovered.stderr
    assert "restored; the other state was copied to .snu/backups/snu/local/" in recovered.stdout
    assert lab.state_file("local").read_bytes() == newer
