"""``snu secrets``: the secret document of an environment."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group("secrets", "Read and change an environment's secret document; only `get` prints values.")


_NEVER_AN_ARGUMENT = (
    "The value cannot be an argument, because it would be visible in the shell's history and to other processes. It is "
    "read from standard input or a hidden prompt. Nothing was changed; treat the value that you typed as exposed."
)


def _key(value: str) -> str:
    if "=" in value:
        raise typer.BadParameter(_NEVER_AN_ARGUMENT)
    return value


Key = Annotated[str, typer.Argument(metavar="KEY", parser=_key, help="A key of the secret document.")]


@command(app, "list", examples=["secrets list stage", "secrets list stage --json"])
def list_keys(stack: option.StackName, json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List the keys that the document contains or lacks, with each key's last change and the apps and jobs using it."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.list_keys(cwd, stack, as_json=json)


@command(app, examples=["secrets get stage MONGO_URL", "secrets get stage MONGO_URL --show"])
def get(
    stack: option.StackName,
    key: Key,
    show: Annotated[bool, typer.Option("--show", help="Print the value even to a terminal.")] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Print the value of one key. On a terminal, this requires --show; elsewhere, no newline is added."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.get(cwd, stack, key, show=show)


@command(
    app,
    "set",
    examples=["secrets set stage MONGO_URL", "secrets set stage MONGO_URL --yes"],
    extra_arguments=True,
)
def set_key(
    context: typer.Context, stack: option.StackName, key: Key, yes: option.Yes = False, cwd: option.Cwd = None
) -> ExitCode:
    """Set a key to a value read from a hidden prompt, or from standard input without the trailing newline."""
    if context.args or "=" in stack:
        context.fail(_NEVER_AN_ARGUMENT)
    from ops.commands import secrets as secrets_commands

    return secrets_commands.set_key(cwd, stack, key, yes=yes)


@command(app, examples=["secrets unset stage OLD_TOKEN"])
def unset(
    stack: option.StackName,
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys of the secret document.")],
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Remove keys that no app or job uses."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.unset(cwd, stack, keys, yes=yes)


@command(app, examples=["secrets edit stage"])
def edit(stack: option.StackName, yes: option.Yes = False, cwd: option.Cwd = None) -> ExitCode:
    """Edit the document as JSON in $VISUAL or $EDITOR, in a private file that is deleted afterwards."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.edit(cwd, stack, yes=yes)


@command(app, "import", examples=["secrets import stage .env", "secrets import ci document.json --replace --yes"])
def import_keys(
    stack: option.StackName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File in dotenv or JSON format; `-` for standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also remove the keys that the file does not contain.")] = (
        False
    ),
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Set all keys that a file contains."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.import_keys(cwd, stack, file, replace=replace, yes=yes)


@command(app, examples=["secrets compare stage production", "secrets compare stage production --json"])
def compare(
    first: Annotated[
        str, typer.Argument(metavar="STACK", autocompletion=option.complete_stack, help="Name of a stack.")
    ],
    second: Annotated[
        str, typer.Argument(metavar="OTHER", autocompletion=option.complete_stack, help="Name of another stack.")
    ],
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List keys that only one of two documents contains, and keys with the same value in both.

    Reads the first document with SNU_SOURCE_ACCESS_KEY and SNU_SOURCE_SECRET_KEY if they are set, like `snu promote`.
    """
    from ops.commands import secrets as secrets_commands

    return secrets_commands.compare(cwd, first, second, as_json=json)


@command(app, examples=["secrets history stage", "secrets history stage --most 5 --json"])
def history(
    stack: option.StackName,
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="Maximum number of revisions.")] = 20,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List the newest revisions of the document, with the keys that each one changed."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.history(cwd, stack, most, as_json=json)


@command(app, examples=["secrets rollback stage --to 12"])
def rollback(
    stack: option.StackName,
    to: Annotated[
        int, typer.Option("--to", metavar="REVISION", min=1, help="Revision, as listed by `snu secrets history`.")
    ],
    yes: option.Yes = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Write a new version of the document with the content of an earlier one."""
    from ops.commands import secrets as secrets_commands

    return secrets_commands.rollback(cwd, stack, to, yes=yes)
