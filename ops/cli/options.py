"""Options shared by several commands, and option groups that a command takes as one parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.durations import SECONDS, seconds_of, shown
from ops.engines.select import EngineChoice

if TYPE_CHECKING:
    from ops.commands.promote import ChangelogTargets
    from ops.session import Options, Session

GITHUB_API_URL = "https://api.github.com"
JSON_AND_MARKDOWN = "--json and --markdown - would both write to standard output; use only one of them."


def duration(unit: str = "s", *, least: float = 0.0) -> Callable[[object], float]:
    """Return a parser that converts durations to seconds.

    ``unit``: the unit of a plain number; ``least``: the minimum in seconds.
    """

    def read(value: object) -> float:
        if isinstance(value, float):  # the default
            return value
        try:
            seconds = seconds_of(value, unit)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if seconds < least:
            raise typer.BadParameter(f"{value} is too short; expected at least {shown(least)}")
        return seconds

    return read


def complete_stack(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the project's stacks, for shell completion."""
    from ops.errors import OpsError
    from ops.stacks import project_dir, stack_names

    try:
        return [name for name in stack_names(project_dir(ctx.params.get("cwd"))) if name.startswith(incomplete)]
    except OpsError:
        return []


StackName = Annotated[
    str,
    typer.Argument(metavar="STACK", autocompletion=complete_stack, help="Name of the stack, as in Pulumi.STACK.yaml."),
]
StackOption = Annotated[
    str, typer.Option("--stack", metavar="STACK", autocompletion=complete_stack, help="The environment's stack.")
]
Cwd = Annotated[
    Path | None,
    typer.Option("--cwd", "-C", metavar="DIR", help="Project directory. Default: this checkout."),
]
Engine = Annotated[
    EngineChoice,
    typer.Option(
        "--engine",
        metavar="|".join(EngineChoice),
        help="Deployment engine: the Pulumi CLI, the embedded engine, or whichever suits the stack.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation prompt.")]
SkipPreview = Annotated[
    bool,
    typer.Option("--skip-preview", help="Apply without a preview or confirmation. Policies are still checked."),
]
Refresh = Annotated[
    bool,
    typer.Option("--refresh/--no-refresh", help="Read the live resources first, or rely on the state."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        metavar="NAME",
        show_default=False,
        help="Only this resource, by name or URN; an app's or component's name includes its resources. Repeatable.",
    ),
]
Parallel = Annotated[
    int, typer.Option("--parallel", metavar="N", min=1, help="Maximum number of concurrent resource operations.")
]
ExpectNoChanges = Annotated[bool, typer.Option("--expect-no-changes", help="Exit with code 7 if there are changes.")]
Details = Annotated[bool, typer.Option("--details", help="Also list the properties of created and deleted resources.")]
Json = Annotated[bool, typer.Option("--json", help="Print only a JSON document to standard output.")]
Markdown = Annotated[
    str | None,
    typer.Option(
        "--markdown",
        metavar="FILE",
        help="Also write the result as Markdown; `-` prints only the Markdown, to standard output.",
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="DURATION",
        parser=duration(),
        help="How long to wait for containers to become ready: `10m`, `90s`, or a number of seconds.",
    ),
]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="DURATION",
        parser=duration(),
        help="How long to wait if the stack is locked: `15m`, `90s`, or a number of seconds.",
    ),
]
ExpireAfter = Annotated[
    float | None,
    typer.Option(
        "--expire-after",
        metavar="DURATION",
        parser=duration("h", least=SECONDS["h"]),
        help="Lifetime of the plan: `2d`, `12h`, or a number of hours. Overrides snu:plans.expireAfter.",
    ),
]
Transitions = Annotated[
    float | None,
    typer.Option(
        "--transitions",
        metavar="DURATION",
        parser=duration(),
        help="Duration of transient statuses such as `creating`: `2s`, or a number of seconds.",
    ),
]
OlderThan = Annotated[
    float,
    typer.Option(
        "--older-than",
        metavar="DURATION",
        parser=duration("d"),
        help="Keep versions newer than this: `60d`, `12h`, or a number of days.",
    ),
]
EvaluationTimeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        parser=duration(least=1.0),
        help="Time limit for evaluating both revisions: `2m`, `90s`, or a number of seconds.",
    ),
]
RunTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        parser=duration(least=1.0),
        help="How long to wait for the run with `--wait`: `2h`, `90s`, or a number of seconds. Default: no limit.",
    ),
]
Builds = Annotated[int, typer.Option("--parallel", metavar="N", min=1, help="Maximum number of concurrent builds.")]
CheckUrls = Annotated[bool, typer.Option("--check-urls", help="Also check that every public URL responds.")]
Commit = Annotated[
    bool, typer.Option("--commit", help="Commit only the stack's file, with the changelog as the message.")
]
ChangelogMarkdown = Annotated[
    str | None,
    typer.Option("--markdown", metavar="FILE", help="Also write the changelog as Markdown; `-` for standard output."),
]
ChangelogSlack = Annotated[
    str | None,
    typer.Option(
        "--slack", metavar="FILE", help="Also write the changelog in Slack's format; `-` for standard output."
    ),
]
HotFixStack = Annotated[
    str,
    typer.Option("--stack", metavar="STACK", autocompletion=complete_stack, help="The stack to fix."),
]
Repository = Annotated[
    Path | None,
    typer.Option(
        "--repository",
        metavar="DIR",
        help="Directory in the Git repository that contains images.yaml. Default: the project directory.",
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="REVISION",
        help="Base branch for a preview environment. Default: the remote's main branch, or `main`.",
    ),
]
PullRequest = Annotated[
    int | None, typer.Option("--pr", metavar="N", min=1, help="Select this pull request's environment.")
]
Branch = Annotated[str | None, typer.Option("--branch", metavar="BRANCH", help="Select this branch's environment.")]
Repo = Annotated[
    str | None,
    typer.Option(
        "--repo",
        metavar="OWNER/NAME",
        envvar="GITHUB_REPOSITORY",
        help="GitHub repository. Default: GITHUB_REPOSITORY.",
    ),
]
RequiredRepo = Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="GitHub repository.")]
ApiUrl = Annotated[
    str, typer.Option("--api-url", metavar="URL", envvar="GITHUB_API_URL", help="URL of the GitHub API.")
]


def stacks_argument(default: str) -> Any:
    """An argument for any number of stacks. ``default`` describes the stacks used if none are named."""
    return typer.Argument(
        metavar="[STACK]...", autocompletion=complete_stack, show_default=False, help=f"Default: {default}."
    )


@dataclass(frozen=True)
class Target:
    """The stack that a command works on, and its engine."""

    stack: StackName
    engine: Engine = EngineChoice.AUTO
    cwd: Cwd = None

    def open(self, **needs: Any) -> Session:
        """Open a session. See ``Session.open`` for ``needs`` and errors."""
        from ops.session import Session

        return Session.open(self.cwd, self.stack, self.engine, **needs)


@dataclass(frozen=True)
class StateTarget:
    """The stack for a command that only needs its state, not its settings or resources."""

    stack: StackName
    cwd: Cwd = None

    def open(self) -> Session:
        """Open a session for the state alone. Raises OpsError."""
        return Target(self.stack, cwd=self.cwd).open(validate=False, needs_cloud=False)


@dataclass(frozen=True)
class Operation:
    """Options for previewing and changing resources."""

    parallel: Parallel = 16
    details: Details = False


@dataclass(frozen=True)
class Locking:
    """Options for commands that lock the stack and ask for confirmation before changing it."""

    yes: Yes = False
    lock_timeout: LockTimeout = 0.0


@dataclass(frozen=True)
class Readiness:
    """Options for the container check after a deployment."""

    wait_seconds: Wait = 600.0
    check_urls: CheckUrls = False


@dataclass(frozen=True)
class GitHub:
    """The GitHub repository, for commands that also work without one."""

    repo: Repo = None
    api_url: ApiUrl = GITHUB_API_URL


@dataclass(frozen=True)
class RequiredGitHub:
    """The GitHub repository, for commands that require one."""

    repo: RequiredRepo
    api_url: ApiUrl = GITHUB_API_URL


@dataclass(frozen=True)
class Changelog:
    """Options for the changelog of new images."""

    commit: Commit = False
    markdown: ChangelogMarkdown = None
    slack: ChangelogSlack = None
    repository: Repository = None

    @property
    def targets(self) -> ChangelogTargets:
        """The files to write the changelog to."""
        from ops.commands.promote import ChangelogTargets

        return ChangelogTargets(self.markdown, self.slack)


def session_options(*groups: object, **more: Any) -> Options:
    """Build session options from option groups with the same field names."""
    from ops.session import Options

    merged = {name: value for group in groups for name, value in vars(group).items()}
    return Options(**merged, **more)
