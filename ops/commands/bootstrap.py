"""``snu bootstrap``: sets up a foundation, with state backends for it and its environments."""

from __future__ import annotations

from pathlib import Path

from ops.commands import stack as work
from ops.engines.select import EngineChoice
from ops.exit_codes import ExitCode
from ops.foundation_secrets import FoundationSecrets
from ops.local import require_running
from ops.process_environment import process_environment
from ops.report.factory import print_step
from ops.session import Options, Session
from ops.stacks import find_stack, project_dir
from ops.state.bootstrap import Bootstrap


def bootstrap(directory: Path | None, name: str, choice: EngineChoice, options: Options) -> ExitCode:
    """Perform the missing steps. Raises OpsError if one fails; a rerun continues after the completed steps."""
    stack = find_stack(project_dir(directory), name)
    require_running(stack)
    steps = Bootstrap.of(stack, process_environment(), print_step)
    steps.prepare()
    session = Session.open(directory, name, choice)
    with session.locked("snu bootstrap", options):
        ended = work.bring_up(session, options)
        if ended is not ExitCode.OK:
            return ended
        with FoundationSecrets.opened(stack, steps.environ, session.environ, print_step) as secrets:
            secrets.store()
    print_step(name, "state storage is complete; this command can be rerun at any time")
    return ExitCode.OK
