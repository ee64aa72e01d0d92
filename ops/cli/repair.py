"""Commands that deal with interrupted runs, stale locks and protected resources."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, top_level
from ops.exit_codes import ExitCode

app = top_level()


@command(app, examples=["recover stage", "recover local --yes"])
def recover(target: option.Target, yes: option.Yes = False) -> ExitCode:
    """Show what an interrupted run left behind, confirm, and reconcile the state with the live resources."""
    from ops.commands import recover as recover_command

    return recover_command.recover(target.open(validate=False), yes=yes)


@command(app, examples=["unlock stage", "unlock stage --force"])
def unlock(
    target: option.Target,
    yes: option.Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove all locks, stale or not, after you type the stack's name.")
    ] = False,
) -> ExitCode:
    """Show a stack's locks and their owners, and remove stale locks."""
    from ops.commands import unlock as unlock_command

    session = target.open(validate=False, needs_cloud=False)
    return unlock_command.unlock_stack(session, yes=yes, force=force)


@command(app, examples=["unprotect production api"])
def unprotect(
    target: option.Target,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="App and job names, as in snu:apps and snu:jobs.")
    ],
    locking: option.Locking,
) -> ExitCode:
    """Allow the next update of a protected stack to delete or replace apps and jobs. Changes only the state."""
    from ops.commands import unprotect as unprotect_command

    session = target.open(validate=False, needs_cloud=False)
    return unprotect_command.unprotect_apps(session, names, option.session_options(locking))
