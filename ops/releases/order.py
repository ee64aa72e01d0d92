"""Prevents an older commit from replacing a newer one that was deployed in the meantime."""

from __future__ import annotations

from contextlib import suppress

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.remote import Remote
from ops.session import Session
from ops.state.history import updates_of
from pulumi_state.store import StoreError

_UPDATE = "update"
_MAX_UPDATES = 50


def require_not_older(session: Session) -> None:
    """Raises OpsError with code REFUSED if the last update deployed a descendant of the current commit.

    The caller must have locked the stack. A deployed commit that exists neither locally nor in the origin is ignored.
    """
    try:
        updates = updates_of(session.store, session.project, session.stack.name, _MAX_UPDATES)
    except StoreError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
    deployed = next((update.commit for update in updates if update.kind == _UPDATE and update.commit), None)
    if deployed is None:
        return
    remote = Remote(session.stack.project_dir)
    head = remote.head
    if remote.repository.commit(deployed) is None:
        with suppress(OpsError):
            remote.fetch(deployed)
    if head != deployed and remote.contains(deployed, head):
        raise OpsError(
            f"{session.stack.name} already runs the newer commit {deployed[:12]}, which descends from {head[:12]}. "
            "Nothing was changed.",
            ExitCode.REFUSED,
        )
