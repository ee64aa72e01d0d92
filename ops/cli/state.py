"""``snu state``: the location, history and backups of stack states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group("state", "Show, back up, restore and move stack states.")


@command(app, examples=["state show stage", "state show stage --json"])
def show(target: option.StateTarget, json: option.Json = False) -> ExitCode:
    """Show where a stack's state is stored, and its size, lock owners and last update."""
    from ops.commands import state as state_commands

    return state_commands.show(target.open(), as_json=json)


@command(app, examples=["state history stage", "state history stage --most 5 --json"])
def history(
    target: option.StateTarget,
    most: Annotated[
        int, typer.Option("--most", "-n", metavar="N", min=1, help="Maximum number of updates to show.")
    ] = 20,
    json: option.Json = False,
) -> ExitCode:
    """List a stack's updates with their authors, times and results, newest first."""
    from ops.commands import state as state_commands

    return state_commands.history(target.open(), most, as_json=json)


@command(app, examples=["state env stage --unset"])
def env(
    target: option.StateTarget,
    unset: Annotated[
        bool, typer.Option("--unset", help="Print the command that removes the variables from the shell instead.")
    ] = False,
) -> ExitCode:
    """Print the variables for plain `pulumi`: eval "$(scripts/snu state env STACK)".

    The output contains the backend's address, the passphrase and keys as commands for a POSIX shell. It is not printed
    to a terminal.
    """
    from ops.commands import state_env
    from ops.process_environment import process_environment
    from ops.stacks import find_stack, project_dir

    if unset:
        return state_env.unset()
    return state_env.env(find_stack(project_dir(target.cwd), target.stack), process_environment())


@command(app, examples=["state backup stage", "state backup stage --out stage.backup"])
def backup(
    target: option.StateTarget,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="File to write. Default: an object in the state backend."),
    ] = None,
) -> ExitCode:
    """Back up a stack's state. Its secrets remain encrypted with the stack's passphrase."""
    from ops.commands import state as state_commands

    return state_commands.backup(target.open(), out)


@command(app, examples=["state restore stage stage.backup", "state restore stage stage.backup --replace"])
def restore(
    target: option.StateTarget,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup written by `snu state backup --out`.")],
    locking: option.Locking,
    replace: Annotated[bool, typer.Option("--replace", help="Restore even if the stack has resources.")] = False,
    rename: Annotated[
        bool, typer.Option("--rename", help="Restore even if the backup belongs to another stack.")
    ] = False,
) -> ExitCode:
    """Restore a stack's state from a backup, after backing up the current state."""
    from ops.commands import state as state_commands

    options = option.session_options(locking)
    return state_commands.restore(target.open(), file, options, over=replace, rename=rename)


@command(app, examples=["state move stage --to foundation", "state move stage --to env:NEW_STATE_BACKEND --yes"])
def move(
    target: option.StateTarget,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="Address of the new backend; `env:NAME` to read it from an environment variable, as required for "
            "addresses with credentials; or `foundation` for the backend that the foundation provides.",
        ),
    ],
    locking: option.Locking,
) -> ExitCode:
    """Move a stack's state to another backend, and verify that it is unchanged. Safe to rerun if interrupted."""
    from ops.commands import state as state_commands

    return state_commands.move(target.open(), to, option.session_options(locking))
