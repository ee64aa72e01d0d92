"""Commands that choose a stack's images: promotion, releases and rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, top_level
from ops.exit_codes import ExitCode

app = top_level()


@command(app, examples=["promote ci stage --commit", "promote stage production --as-named --markdown changelog.md"])
def promote(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", autocompletion=option.complete_stack, help="The stack to copy images from."),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            autocompletion=option.complete_stack,
            help="The stack to copy images to; its snu:promoteFrom must be SOURCE.",
        ),
    ],
    changelog: option.Changelog,
    as_named: Annotated[
        bool,
        typer.Option("--as-named", help="Exit with code 16 if SOURCE runs images other than those in its file."),
    ] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Copy the images that SOURCE runs to TARGET's registry, record them in TARGET's file, and print a changelog."""
    from ops.commands import promote as promote_command

    return promote_command.promote(
        cwd, source, target, changelog.repository, changelog.targets, commit=changelog.commit, as_named=as_named
    )


@command(app, examples=["releases production", "releases stage --json"])
def releases(stack: option.StackName, json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List a stack's releases, newest first. `snu apply` records them as Git tags."""
    from ops.commands import rollback as release_commands

    return release_commands.releases(cwd, stack, as_json=json)


@command(app, examples=["rollback production --commit", "rollback production --to 2026-11-28.1 --commit"])
def rollback(
    stack: option.StackName,
    changelog: option.Changelog,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="RELEASE", help="A release listed by `snu releases`. Default: the previous release."
        ),
    ] = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Write an earlier release's images and variables to the stack's file, ready to plan and apply."""
    from ops.commands import rollback as release_commands

    return release_commands.rollback(cwd, stack, to, changelog.repository, changelog.targets, commit=changelog.commit)
