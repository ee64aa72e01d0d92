"""What ``snu unprotect`` does."""

from __future__ import annotations

from ops.confirm import confirm
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.protection import unprotect
from ops.report.text import counted
from ops.session import Options, Session
from pulumi_state.errors import PulumiError


def unprotect_apps(session: Session, names: list[str], options: Options) -> ExitCode:
    """Release apps and jobs from protection in the state, for either engine. Raises OpsError."""
    stack = session.stack
    listed = ", ".join(names)
    with session.locked("snu unprotect", options):
        try:
            state = session.state
            checkpoint = state.read()
            released = unprotect(checkpoint.latest if checkpoint else {}, stack.name, names)
            if not released.names:
                print(f"{stack.name}: {listed} is not protected; nothing was changed.")
                return ExitCode.OK
            if not options.yes:
                confirm(f"Allow the next update of {stack.name} to delete or replace {', '.join(released.names)}?")
            with state.locked():
                state.write_latest(released.latest)
        except PulumiError as error:
            raise OpsError(str(error), ExitCode.FAILED) from error
    print(
        f"{stack.name}: {counted(len(released.names), 'resource')} of {listed} no longer protected. Preview, plan or "
        f"apply the change now: an update with {listed} still in {stack.file.name} protects it again."
    )
    return ExitCode.OK
