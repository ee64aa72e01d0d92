"""``snu release``: the release steps that come before and after plan and apply."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.exit_codes import ExitCode

app = group("release", "Run the release steps that come before and after plan and apply. Every step is safe to rerun.")


@command(app, examples=["release check stage", "release check production --repo betagouv/service-national-universel"])
def check(stack: option.StackName, github: option.GitHub, cwd: option.Cwd = None) -> ExitCode:
    """Exit with code 16 unless the checked-out commit contains the release that the stack runs.

    With --repo and a token, the error names the pull request to merge.
    """
    from ops.commands import release as release_commands
    from ops.github import Repository

    return release_commands.check(cwd, stack, Repository(github.repo, github.api_url) if github.repo else None)


@command(app, examples=["release push stage"])
def push(
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="Branch on the remote `origin`.")],
    cwd: option.Cwd = None,
) -> ExitCode:
    """Push the checked-out commit to a branch. Exits with code 16 if someone else has pushed to it.

    If an earlier attempt already pushed a commit with the same content, checks out that commit instead of pushing.
    """
    from ops.commands import release as release_commands

    return release_commands.push(cwd, branch)


@command(app, examples=["release publish production --branch production"])
def publish(
    stack: option.StackName,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="BRANCH", help="Also fast-forward this branch to the release.")
    ] = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Push the checked-out release's tag, using the next number if the tag name is taken."""
    from ops.commands import release as release_commands

    return release_commands.publish(cwd, stack, branch)


@command(app, examples=["release notes production --repo betagouv/service-national-universel"])
def notes(
    stack: option.StackName,
    github: option.RequiredGitHub,
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            metavar="RELEASE",
            help="A release listed by `snu releases`. Default: the checked-out commit's release.",
        ),
    ] = None,
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Create or update the GitHub release of a published release tag, with each app's changes as its notes.

    Reads the GitHub token in the same way as `snu comment`; it needs `contents: write`.
    """
    from ops.commands import release as release_commands
    from ops.github import Repository

    target = Repository(github.repo, github.api_url)
    return release_commands.notes(cwd, stack, release, repository, target)


@command(app, examples=["release finish stage --branch stage --repo betagouv/service-national-universel"])
def finish(
    stack: option.StackName,
    github: option.RequiredGitHub,
    branch: Annotated[str, typer.Option("--branch", metavar="BRANCH", help="The released branch.")],
    base: Annotated[str, typer.Option("--base", metavar="BRANCH", help="Base branch of the pull request.")] = "main",
    delete_branch: Annotated[
        bool, typer.Option("--delete-branch", help="Delete BRANCH; the pull request has its own branch.")
    ] = False,
    repository: option.Repository = None,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Open a pull request that merges the checked-out release into the main branch, unless one already exists."""
    from ops.commands import release as release_commands
    from ops.github import Repository

    target = Repository(github.repo, github.api_url)
    return release_commands.finish(cwd, stack, branch, repository, target, base, delete=delete_branch)
