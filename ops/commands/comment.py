"""``snu comment``: a plan, a preview or a diff as a comment on a pull request."""

from __future__ import annotations

import sys
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository
from ops.process_environment import process_environment
from ops.pull_request import CommentTarget, read_token, write_comment


def comment(
    repository: str, pull_request: int | str, stack: str, file: str, *, author: str | None, api_url: str
) -> ExitCode:
    """Write the comment on a pull request, given by its number or by the commit that it was merged as.

    A commit that no pull request was merged as is no error: there is nowhere to comment. Raises OpsError when the file
    or the token cannot be read, or GitHub refuses.
    """
    token, text = read_token(process_environment()), _text(file)
    if isinstance(pull_request, str):
        commit = pull_request
        number = GitHub(Repository(repository, api_url), token).merged_as(commit)
        if number is None:
            print(f"No pull request was merged as {commit}: nothing was written.")
            return ExitCode.OK
        pull_request = number
    target = CommentTarget(repository, pull_request, api_url, author)
    written = write_comment(target, stack, text, token)
    print(f"Comment on {target} for {stack} {written.outcome}: {written.url}")
    if written.removed:
        print(f"Removed {written.removed} more of ours for {stack}.")
    return ExitCode.OK


def _text(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OpsError(f"{file} cannot be read: {reason}.", ExitCode.USAGE) from None
    if not text.strip():
        raise OpsError(
            f"{file} is empty; expected Markdown, as `scripts/snu preview --markdown FILE` writes it.", ExitCode.USAGE
        )
    return text
