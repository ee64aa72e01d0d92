"""What ``snu recover`` does."""

from __future__ import annotations

from ops.exit_codes import ExitCode
from ops.recovery.run import recover_locked
from ops.session import Options, Session


def recover(session: Session, *, yes: bool) -> ExitCode:
    """Bring state and cloud together after a run that was killed.

    Raises OpsError, and nothing was changed, when a live process has the stack or an object is not certain.
    """
    with session.locked("snu recover", Options(yes=yes)):
        return recover_locked(session, yes=yes)
