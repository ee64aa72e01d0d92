"""Options that several commands share, as typer reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ops.durations import SECONDS, seconds_of, shown
from ops.engines.select import EngineChoice


def duration(unit: str = "s", *, least: float = 0.0) -> Callable[[object], float]:
    """Reads an option into seconds; ``unit`` is that of a bare number, ``least`` in seconds."""

    def read(value: object) -> float:
        if isinstance(value, float):  # a default
            return value
        try:
            seconds = seconds_of(value, unit)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if seconds < least:
            raise typer.BadParameter(f"{value} is too short; expected at least {shown(least)}")
        return seconds

    return read


StackName = Annotated[str, typer.Argument(metavar="STACK", help="Name of the stack: of its file Pulumi.STACK.yaml.")]
Cwd = Annotated[
    Path | None,
    typer.Option("--cwd", "-C", metavar="DIR", help="Folder of the project. Default: this checkout."),
]
Engine = Annotated[
    EngineChoice, typer.Option("--engine", metavar="|".join(EngineChoice), help="Which engine does the work.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
SkipPreview = Annotated[
    bool, typer.Option("--skip-preview", help="Do not show a preview, and do not ask. Policies are checked anyway.")
]
Refresh = Annotated[
    bool,
    typer.Option("--refresh/--no-refresh", help="Read every resource from Scaleway first, or rely on the state."),
]
Parallel = Annotated[
    int, typer.Option("--parallel", metavar="N", min=1, help="Operations on resources at the same time.")
]
ExpectNoChanges = Annotated[
    bool, typer.Option("--expect-no-changes", help="Exit with status 7 when there are changes.")
]
Details = Annotated[bool, typer.Option("--details", help="List the properties of new and deleted resources too.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document and nothing else.")]
Markdown = Annotated[
    str | None,
    typer.Option(
        "--markdown", metavar="FILE", help="Write it as Markdown for a comment too; `-` prints that and nothing else."
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="DURATION",
        parser=duration(),
        help="How long containers may take to become ready: `10m`, `90s`, or seconds.",
    ),
]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="DURATION",
        parser=duration(),
        help="How long to wait for a stack that another run has locked: `15m`, `90s`, or seconds.",
    ),
]
ExpireAfter = Annotated[
    float | None,
    typer.Option(
        "--expire-after",
        metavar="DURATION",
        parser=duration("h", least=SECONDS["h"]),
        help="Instead of snu:plans.expireAfter: `2d`, `12h`, or hours.",
    ),
]
Transitions = Annotated[
    float | None,
    typer.Option(
        "--transitions",
        metavar="DURATION",
        parser=duration(),
        help="How long `creating`, `updating` and the like last: `2s`, or seconds.",
    ),
]
OlderThan = Annotated[
    float,
    typer.Option(
        "--older-than",
        metavar="DURATION",
        parser=duration("d"),
        help="Keep newer versions: `60d`, `12h`, or days.",
    ),
]
EvaluationTimeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        parser=duration(least=1.0),
        help="How long the two evaluations may take: `2m`, `90s`, or seconds.",
    ),
]
CheckUrls = Annotated[bool, typer.Option("--check-urls", help="Check that every public URL answers.")]
Commit = Annotated[
    bool, typer.Option("--commit", help="Commit the stack's file, and nothing else, with the changelog as message.")
]
ChangelogMarkdown = Annotated[
    str | None, typer.Option("--markdown", metavar="FILE", help="Write the changelog as Markdown too; `-` prints it.")
]
ChangelogSlack = Annotated[
    str | None, typer.Option("--slack", metavar="FILE", help="Write it as Slack writes its messages; `-` prints it.")
]
HotFixStack = Annotated[str, typer.Option("--stack", metavar="STACK", help="The stack that is to get the fix.")]
Repository = Annotated[
    Path | None,
    typer.Option("--repository", metavar="DIR", help="Where images.yaml is. Default: the project's folder."),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="REVISION",
        help="For a preview environment: the branch that it left. Default: the remote's main branch, or `main`.",
    ),
]
GITHUB_API_URL = "https://api.github.com"
PullRequest = Annotated[
    int | None, typer.Option("--pr", metavar="N", min=1, help="The environment of this pull request.")
]
Branch = Annotated[str | None, typer.Option("--branch", metavar="B", help="The environment of this branch.")]
Repo = Annotated[
    str | None,
    typer.Option(
        "--repo",
        metavar="OWNER/NAME",
        envvar="GITHUB_REPOSITORY",
        help="The repository on GitHub. Default: GITHUB_REPOSITORY.",
    ),
]
ApiUrl = Annotated[
    str, typer.Option("--api-url", metavar="URL", envvar="GITHUB_API_URL", help="Address of GitHub's API.")
]
