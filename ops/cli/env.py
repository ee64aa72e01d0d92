"""``snu env``: preview environments."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, group
from ops.engines.select import EngineChoice
from ops.exit_codes import ExitCode

app = group("env", "Manage preview environments, one per pull request or branch.")


@command(app, examples=["env up --branch feature/login", "env up --pr 42 --repo betagouv/service-national-universel"])
def up(
    github: option.GitHub,
    readiness: option.Readiness,
    pr: option.PullRequest = None,
    branch: option.Branch = None,
    engine: option.Engine = EngineChoice.AUTO,
    repository: option.Repository = None,
    base: option.Base = None,
    builds: Annotated[
        int, typer.Option("--builds", metavar="N", min=1, help="Maximum number of concurrent builds.")
    ] = 2,
    parallel: option.Parallel = 16,
    lock_timeout: option.LockTimeout = 900.0,
    link_to: Annotated[
        str | None,
        typer.Option(
            "--link-to",
            metavar="APP",
            help="App that the pull request's deployment on GitHub links to. Default: the first app with a URL.",
        ),
    ] = None,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Build the branch's changes, deploy and check its environment, and report it on the pull request.

    Exits with code 19 if the pull request is not eligible for an environment.
    """
    from ops.commands import env as env_commands

    options = option.session_options(readiness, yes=True, refresh=True, parallel=parallel, lock_timeout=lock_timeout)
    return env_commands.up(
        cwd,
        env_commands.PreviewSelector(pr, branch),
        env_commands.GitHubOptions(github.repo, github.api_url),
        engine,
        env_commands.ImageBuild(repository, base, builds),
        options,
        as_json=json,
        link_to=link_to,
    )


@command(app, examples=["env down pr-42", "env down --pr 42 --if-unwanted --repo betagouv/service-national-universel"])
def down(
    github: option.GitHub,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="Name of the environment, as shown by `env list`."),
    ] = None,
    pr: option.PullRequest = None,
    branch: option.Branch = None,
    engine: option.Engine = EngineChoice.AUTO,
    if_unwanted: Annotated[
        bool,
        typer.Option("--if-unwanted", help="Do nothing if the pull request is open and eligible."),
    ] = False,
    lock_timeout: option.LockTimeout = 1800.0,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Wait for any running `up`, destroy the environment, and verify that no live resources remain.

    Also succeeds if the environment does not exist.
    """
    from ops.commands import env as env_commands

    selector = env_commands.PreviewSelector(pr, branch, name)
    github_options = env_commands.GitHubOptions(github.repo, github.api_url)
    return env_commands.down(cwd, selector, github_options, engine, lock_timeout, if_unwanted=if_unwanted)


@command(app, "list", examples=["env list", "env list --json"])
def list_environments(json: option.Json = False, cwd: option.Cwd = None) -> ExitCode:
    """List all preview environments, including those that have live resources but no state."""
    from ops.commands import env as env_commands

    return env_commands.show(cwd, as_json=json)


@command(app, examples=["env sweep", "env sweep --repo betagouv/service-national-universel --yes"])
def sweep(
    github: option.GitHub,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove them. Default: dry run.")] = False,
    engine: option.Engine = EngineChoice.AUTO,
    json: option.Json = False,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List preview environments that are orphaned, forgotten or no longer needed; with --yes, remove them."""
    from ops.commands import env as env_commands

    github_options = env_commands.GitHubOptions(github.repo, github.api_url)
    return env_commands.sweep(cwd, github_options, engine, yes=yes, as_json=json)
