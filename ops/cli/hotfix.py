"""``snu hotfix``: fixes made on a branch of the release that a stack runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group(
    "hotfix", "Build and merge a hotfix from the STACK_hotfix branch, which starts at the release that STACK runs."
)


@command(app, examples=["hotfix check", "hotfix check --stack production"])
def check(stack: option.HotFixStack = "production", cwd: option.Cwd = None) -> ExitCode:
    """Fail unless the stack's hotfix branch is checked out and descends from the release that the stack runs."""
    from ops.commands import hotfix as hotfix_commands

    return hotfix_commands.check(cwd, stack)


@command(app, examples=["hotfix build --commit", "hotfix build --stack production --markdown changelog.md"])
def build(
    changelog: option.Changelog,
    stack: option.HotFixStack = "production",
    parallel: option.Builds = 2,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Build the apps that the branch changes, for the stack that STACK is promoted from.

    All other apps of that stack get the images that STACK runs.
    """
    from ops.commands import hotfix as hotfix_commands

    return hotfix_commands.build(
        cwd, stack, changelog.repository, changelog.targets, parallel=parallel, commit=changelog.commit
    )


@command(app, examples=["hotfix finish --repo betagouv/service-national-universel --delete-branch"])
def finish(
    github: option.RequiredGitHub,
    stack: option.HotFixStack = "production",
    base: Annotated[str, typer.Option("--base", metavar="BRANCH", help="Base branch of the pull request.")] = "main",
    delete_branch: Annotated[
        bool, typer.Option("--delete-branch", help="Delete the hotfix branch; the pull request has its own branch.")
    ] = False,
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Once STACK runs the fix, open a pull request that merges the fix into the main branch.

    Reads the GitHub token in the same way as `snu comment`.
    """
    from ops.commands import hotfix as hotfix_commands
    from ops.github import Repository

    target = Repository(github.repo, github.api_url)
    return hotfix_commands.finish(cwd, stack, repository, target, base, delete=delete_branch)
