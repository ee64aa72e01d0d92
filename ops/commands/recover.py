"""``snu recover``: recovers from an interrupted run."""

from __future__ import annotations

from ops.exit_codes import ExitCode
from ops.recovery.run import recover_locked
from ops.session import Options, Session


def recover(session: Session, *, yes: bool) -> ExitCode:
    """Reconcile the state with the live resources after an interrupted run.

    Raises OpsError without changing anything if a running process has locked the stack or a pending operation cannot
    be resolved.
    """
    with session.locked("snu recover", Options(yes=yes)):
        return recover_locked(session, yes=yes)
