"""``snu keys``: the API keys of a foundation's applications."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group("keys", "Manage the API keys of a foundation's IAM applications.")


@command(app, "list", examples=["keys list foundation-stage", "keys list foundation-stage --json"])
def list_keys(stack: option.StackName, json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List a foundation's applications, their purposes and their API keys."""
    from ops.commands import keys as keys_commands

    return keys_commands.show(cwd, stack, as_json=json)


@command(app, examples=["keys store foundation-stage", "keys store foundation-stage --rotate"])
def store(
    stack: option.StackName,
    rotate: Annotated[bool, typer.Option("--rotate", help="Also replace keys that are still valid.")] = False,
    lock_timeout: option.LockTimeout = 0.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Create the API keys that a foundation's environments use, and store them in Secret Manager.

    Keeps valid keys; replaces and deletes all others. `snu bootstrap` does the same.
    """
    from ops.commands import keys as keys_commands

    return keys_commands.store(cwd, stack, option.session_options(lock_timeout=lock_timeout), rotate=rotate)


@command(app, examples=["keys make foundation-stage stage-deploy --out ~/snu-keys"])
def make(
    stack: option.StackName,
    application: Annotated[
        str, typer.Argument(metavar="APPLICATION", help="Name of the application, as printed by `snu keys list`.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Directory for the key files, outside the checkout or in `.local`."),
    ],
    cwd: option.Cwd = None,
) -> ExitCode:
    """Create an API key for an application, and write it to files that only you can read.

    The key is not stored in any state.
    """
    from ops.commands import keys as keys_commands

    return keys_commands.make(cwd, stack, application, out)


@command(app, examples=["keys revoke foundation-stage SCWXXXXXXXXXXXXXXXXX"])
def revoke(
    stack: option.StackName,
    access_key: Annotated[str, typer.Argument(metavar="ACCESS_KEY", help="Access key, as printed by `snu keys list`.")],
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Delete an API key of one of the foundation's applications. The key stops working immediately."""
    from ops.commands import keys as keys_commands

    return keys_commands.revoke(cwd, stack, access_key, yes=yes)
