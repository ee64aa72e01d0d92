"""Commands for pull requests: show the effects of a change, and comment on them."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import options as option
from ops.cli.define import command, top_level
from ops.exit_codes import ExitCode

app = top_level()

_TIMEOUT_SECONDS = 120.0
_REVISIONS = (
    "Two commits, branches or tags. `BASE...HEAD` starts at the merge base; `BASE` alone is compared with the working "
    "tree."
)


@command(app, examples=["diff main", "diff main...HEAD --stack stage --stack ci", "diff main... --json"])
def diff(
    revisions: Annotated[str, typer.Argument(metavar="BASE..HEAD", help=_REVISIONS)],
    stack: Annotated[
        list[str] | None,
        typer.Option(
            "--stack", metavar="STACK", autocompletion=option.complete_stack, help="Only this stack. Repeatable."
        ),
    ] = None,
    json: option.Json = False,
    markdown: option.Markdown = None,
    expect_no_changes: option.ExpectNoChanges = False,
    details: option.Details = False,
    timeout: option.EvaluationTimeout = _TIMEOUT_SECONDS,
    cwd: option.Cwd = None,
) -> ExitCode:
    """Show how a change affects each stack, without access to Scaleway, secrets or state.

    Runs the code of both revisions.
    """
    from ops.commands import diff as diff_commands

    if json and markdown == "-":
        raise typer.BadParameter(option.JSON_AND_MARKDOWN)
    return diff_commands.diff(
        cwd,
        revisions,
        stack or [],
        markdown=markdown,
        as_json=json,
        details=details,
        expect_no_changes=expect_no_changes,
        timeout=timeout,
    )


@command(app, examples=["touched main...HEAD", "touched main...HEAD --exclude local --json"])
def touched(
    revisions: Annotated[str, typer.Argument(metavar="BASE..HEAD", help=_REVISIONS)],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="STACK", autocompletion=option.complete_stack, help="Omit this stack. Repeatable."
        ),
    ] = None,
    json: option.Json = False,
    timeout: option.EvaluationTimeout = _TIMEOUT_SECONDS,
    cwd: option.Cwd = None,
) -> ExitCode:
    """List the stacks affected by a change, so they can be previewed.

    --json prints a list for a GitHub Actions job matrix.
    """
    from ops.commands import diff as diff_commands

    return diff_commands.touched(cwd, revisions, exclude or [], as_json=json, timeout=timeout)


@command(
    app,
    examples=["comment --repo betagouv/service-national-universel --pr 42 --stack stage --file preview.md"],
)
def comment(
    github: option.RequiredGitHub,
    stack: Annotated[
        str,
        typer.Option(
            "--stack", metavar="STACK", autocompletion=option.complete_stack, help="Stack that the comment is about."
        ),
    ],
    file: Annotated[
        str, typer.Option("--file", metavar="MARKDOWN", help="File written by `--markdown`; `-` for standard input.")
    ],
    pull_request: Annotated[int | None, typer.Option("--pr", metavar="N", min=1, help="Pull request number.")] = None,
    commit: Annotated[
        str | None,
        typer.Option("--commit", metavar="SHA", help="Commit that merged the pull request, as an alternative to --pr."),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option("--author", metavar="LOGIN", help="Author of the comments to update. Default: the token's owner."),
    ] = None,
) -> ExitCode:
    """Create or update a stack's comment on a pull request.

    Reads the token from GITHUB_TOKEN, or from the file named in SNU_GITHUB_TOKEN_FILE.
    """
    from ops.commands import comment as comment_command

    if (pull_request is None) == (commit is None):
        raise typer.BadParameter("specify either --pr or --commit")
    return comment_command.comment(
        github.repo, pull_request or commit or "", stack, file, author=author, api_url=github.api_url
    )
