"""What ``snu bootstrap`` does: the state store of a foundation and of its environments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ops.commands import stack as work
from ops.display.choose import printer_for
from ops.display.text import Line
from ops.engines.select import EngineChoice
from ops.exit_codes import ExitCode
from ops.stacks import find_stack, project_dir
from ops.state.bootstrap import Bootstrap


def bootstrap(directory: Path | None, name: str, choice: EngineChoice, options: work.Options) -> ExitCode:
    """Each step looks first and does what is missing. Raises OpsError; what was made is kept, to go on from there."""
    stack = find_stack(project_dir(directory), name)
    if stack.is_local:
        from ops.local import LocalCloud

        LocalCloud(stack).require()
    steps = Bootstrap.of(stack, os.environ, say)
    steps.prepare()
    ended = work.up(work.Session.open(directory, name, choice), options)
    if ended is not ExitCode.OK:
        return ended
    steps.complete(os.environ)
    say(name, "the state store is complete; run this again at any time")
    return ExitCode.OK


def say(what: str, found: str) -> None:
    """One step, as it is done."""
    printer_for(sys.stdout).print([Line.of((what, "bold"), f": {found}")])
    sys.stdout.flush()
