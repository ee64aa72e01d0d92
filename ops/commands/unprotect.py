"""``snu unprotect``: removes the protection of apps and jobs."""

from __future__ import annotations

from ops.confirm import confirm
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.protection import unprotect
from ops.report.text import counted
from ops.session import Options, Session
from pulumi_state.errors import PulumiError


def unprotect_apps(session: Session, names: list[str], options: Options) -> ExitCode:
    """Remove the protection of apps and jobs in the state, for both engines. Raises OpsError."""
    stack = session.stack
    listed = ", ".join(names)
    with session.locked("snu unprotect", options):
        try:
            state = session.state
            checkpoint = state.read()
            released = unprotect(checkpoint.latest if checkpoint else {}, stack.name, names)
            if not released.names:
                print(f"{stack.name}: no resource of {listed} is protected; nothing was changed.")
                return ExitCode.OK
            if not options.yes:
                confirm(f"Allow the next update of {stack.name} to delete or replace {', '.join(released.names)}?")
            with state.locked():
                state.write_latest(released.latest)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from error
    print(
        f"{stack.name}: removed the protection from {counted(len(released.names), 'resource')} of {listed}. Deploy the "
        f"change now: an update with {listed} still in {stack.file.name} restores the protection."
    )
    return ExitCode.OK
