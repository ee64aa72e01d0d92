"""One at a time on a stack, as users meet it: refused, waited for, and unlocked when the holder is dead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ops.exit_codes import ExitCode
from tests.lab.lab import Lab
from tests.support.environment import clean_environment

_HOLDER = """
import sys, time
from ops.state.lock import acquire
from pulumi_state.store import open_store
with acquire(open_store(sys.argv[1], {}), "snu", "local", "a long work", timeout=0, on_wait=print):
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


def test_a_live_holder_is_named_and_never_unlocked(lab: Lab) -> None:
    with _held(lab) as holder:
        refused = lab.up("local")
        assert refused.returncode == ExitCode.LOCKED, refused.stdout + refused.stderr
        assert f"(pid {holder.pid}) for a long work, since 20" in refused.stderr
        waited = lab.up("local", "--lock-timeout", "1s")
        assert waited.returncode == ExitCode.LOCKED
        assert "Waiting for" in waited.stdout
        kept = lab.project.snu("unlock", "local", "--yes")
        assert kept.returncode == ExitCode.LOCKED
        assert "lives" in kept.stdout
        assert "none was removed" in kept.stderr
        assert lab.up("local").returncode == ExitCode.LOCKED


def test_a_dead_holder_is_shown_and_unlocked(lab: Lab) -> None:
    with _held(lab) as holder:
        pass
    removed = lab.project.snu("unlock", "local", "--yes")
    assert removed.returncode == ExitCode.OK, removed.stderr
    assert f"(pid {holder.pid})" in removed.stdout
    assert "lives no more" in removed.stdout
    again = lab.project.snu("unlock", "local", "--yes")
    assert "local is not locked" in again.stdout
