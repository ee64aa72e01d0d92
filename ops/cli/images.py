"""``snu images``: the apps' container images."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, example_text, expand, group
from ops.durations import SECONDS
from ops.exit_codes import ExitCode

app = group("images", "Show, build and clean up the apps' images.", runs_alone=True)


def show(
    context: typer.Context, repository: option.Repository = None, json: option.Json = False, cwd: option.Cwd = None
) -> ExitCode:
    """Show each image's version, the registries that have it, where it runs, and what has changed since."""
    from ops.commands import images as images_commands

    if context.invoked_subcommand is not None:
        return ExitCode.OK
    return images_commands.show(cwd, repository, as_json=json)


app.callback(epilog=example_text(["images", "images --json", "images build local"]))(
    expand(show, extra_arguments=True)  # those of its subcommands
)


@command(app, examples=["images build local", "images build ci --parallel 4"])
def build(
    stack: option.StackName,
    repository: option.Repository = None,
    base: option.Base = None,
    parallel: option.Builds = 2,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Build and push the images missing from the stack's registry, and record all versions and digests in its file."""
    from ops.images import builds

    return builds.build(cwd, stack, repository, base=base, parallel=parallel)


@command(app, examples=["images clean stage", "images clean --all --older-than 90d --yes"])
def clean(
    stack: Annotated[
        str | None,
        typer.Argument(
            metavar="[STACK]",
            autocompletion=option.complete_stack,
            show_default=False,
            help="Clean up this stack's registry.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Clean up the registries of all environments.")] = False,
    older_than: option.OlderThan = 60 * SECONDS["d"],
    keep_releases: Annotated[
        int,
        typer.Option("--keep-releases", metavar="N", min=1, help="Number of releases to keep for each stack."),
    ] = 10,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete them. Default: dry run.")] = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List the image versions to delete, and why the others are kept. Deletes nothing without --yes."""
    from ops.commands import images as images_commands

    if (stack is None) != everything:
        raise typer.BadParameter("specify either STACK or --all")
    return images_commands.clean(cwd, stack, older_than=older_than, keep_releases=keep_releases, yes=yes)
