"""``snu unlock``: removes a stack's locks."""

from __future__ import annotations

import sys

from ops.confirm import confirm, confirm_name
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.factory import printer_for
from ops.report.text import Line
from ops.session import Session
from ops.state.lock import Liveness, Lock, locks_of, unlock

_COLOURS = {Liveness.RUNNING: "green", Liveness.UNKNOWN: "yellow"}


def unlock_stack(session: Session, *, yes: bool, force: bool) -> ExitCode:
    """Print a stack's locks and remove the stale ones, or all of them with ``force``."""
    if force and yes:
        raise OpsError("--force requires typing the stack's name and cannot be combined with --yes.", ExitCode.USAGE)
    name = session.stack.name
    locks = locks_of(session.store, session.project, name)
    if not locks:
        printer_for(sys.stdout).print([Line.of(f"{name} is not locked.")])
        return ExitCode.OK
    printer_for(sys.stdout).print([_line(each) for each in locks])
    removed = locks if force else [each for each in locks if each.liveness.is_stale]
    if not removed:
        raise OpsError(f"{name} has no stale locks; nothing was changed. {_way_out(name, locks)}", ExitCode.LOCKED)
    if force:
        _confirm_force(name)
    elif not yes:
        confirm(f"Remove {'this lock' if len(removed) == 1 else f'these {len(removed)} locks'}?")
    for each in removed:
        unlock(session.store, each)
        if each.interrupted is not None:
            each.interrupted.record(session.store, session.project, name)
        printer_for(sys.stdout).print([Line.of(f"  removed the lock of {each.owner}")])
    left = [each for each in locks if each not in removed]
    if left:
        raise OpsError(f"{name} is still locked by {left[0].owner}. {_way_out(name, left)}", ExitCode.LOCKED)
    return ExitCode.OK


def _line(lock: Lock) -> Line:
    return Line.of(f"  {lock.owner}: its process ", (lock.liveness.value, _COLOURS.get(lock.liveness, "red")))


def _way_out(name: str, left: list[Lock]) -> str:
    """Instructions for removing locks of processes that may still be running."""
    cancel = f"`pulumi cancel {name}` or " if any(each.is_pulumis for each in left) else ""
    return f"If you are sure that the lock's process has exited, run {cancel}`scripts/snu unlock {name} --force`."


def _confirm_force(name: str) -> None:
    printer_for(sys.stdout).print(
        [
            Line.of("  If a run is only paused, it continues without its lock. snu and the embedded engine then stop"),
            Line.of("  at their next write. The Pulumi CLI overwrites the state; the next command detects this, and"),
            Line.of(f"  `scripts/snu recover {name}` restores the newer state."),
        ]
    )
    confirm_name(f"Type {name} to remove all locks: ", name)
