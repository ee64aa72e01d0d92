"""``snu comment``: posts a plan, a preview or a diff as a comment on a pull request."""

from __future__ import annotations

import sys
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository
from ops.process_environment import process_environment
from ops.pull_request import CommentTarget, read_token, write_comment
from ops.report.text import counted


def comment(
    repository: str, pull_request: int | str, stack: str, file: str, *, author: str | None, api_url: str
) -> ExitCode:
    """Create or update the comment on a pull request, identified by its number or the commit that merged it.

    Succeeds without commenting if the commit did not merge a pull request. Raises OpsError if the file or token cannot
    be read, or if GitHub rejects the request.
    """
    token, text = read_token(process_environment()), _text(file)
    if isinstance(pull_request, str):
        commit = pull_request
        number = GitHub(Repository(repository, api_url), token).merged_as(commit)
        if number is None:
            print(f"Commit {commit} did not merge a pull request; no comment was written.")
            return ExitCode.OK
        pull_request = number
    target = CommentTarget(repository, pull_request, api_url, author)
    written = write_comment(target, stack, text, token)
    print(f"Comment on {target} for {stack} {written.outcome}: {written.url}")
    if written.removed:
        print(f"Removed {counted(written.removed, 'duplicate comment')} for {stack}.")
    return ExitCode.OK


def _text(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OpsError(f"{file} cannot be read: {reason}.", ExitCode.USAGE) from None
    if not text.strip():
        raise OpsError(
            f"{file} is empty; expected Markdown, as written by `scripts/snu preview --markdown FILE`.", ExitCode.USAGE
        )
    return text
