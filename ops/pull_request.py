"""A stack's comment on a pull request, identified by a hidden marker."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import Repository, client, read_token, readable_errors, with_retries
from ops.report.markdown import COMMENT_LIMIT

if TYPE_CHECKING:
    from github import Github
    from github.Issue import Issue
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest

__all__ = ["CommentResult", "CommentTarget", "Outcome", "marker", "read_token", "write_comment"]

ACTIONS_BOT = "github-actions[bot]"
"""Author of comments written with a workflow's own token, which is not allowed to query its user."""

_STACK = re.compile(r"[A-Za-z0-9_.-]+")


class Outcome(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    UNCHANGED = "unchanged"
    MISSING = "missing and not created"


@dataclass(frozen=True)
class CommentResult:
    """The result of writing a comment."""

    outcome: Outcome
    url: str
    removed: int
    """Number of our duplicate comments that were deleted."""


@dataclass(frozen=True)
class CommentTarget:
    """A pull request and the author of our comments on it."""

    repository: str
    """``owner/name``."""
    number: int
    api_url: str
    author: str | None = None
    """Login that writes our comments; None for the token's user."""

    def __post_init__(self) -> None:
        """Raises OpsError for an invalid repository or a URL to which the token must not be sent."""
        self.hosted  # noqa: B018 - raises when invalid

    @property
    def hosted(self) -> Repository:
        """The pull request's repository."""
        return Repository(self.repository, self.api_url)

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"


def marker(stack: str, kind: str = "plan") -> str:
    """The hidden first line. Raises OpsError if the stack name would not stay hidden."""
    if not _STACK.fullmatch(stack):
        raise OpsError(f"--stack is {stack!r}; expected letters, digits, `.`, `_` and `-`", ExitCode.USAGE)
    return f"<!-- snu:{kind}:{stack} -->"


def write_comment(
    target: CommentTarget,
    stack: str,
    text: str,
    token: str,
    *,
    kind: str = "plan",
    create: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> CommentResult:
    """Create or update our comment of this kind for the stack and delete duplicates.

    ``create``: whether to create the comment if it is missing. Raises OpsError if the text is too long, or if GitHub
    rejects it or cannot be reached.
    """
    first_line = marker(stack, kind)
    body = f"{first_line}\n{normalized(text)}"
    if len(body) > COMMENT_LIMIT:
        raise OpsError(
            f"The comment has {len(body)} characters; GitHub allows {COMMENT_LIMIT}. Use the `--markdown` output of "
            "`scripts/snu preview`, `plan` or `diff`, which always fits.",
            ExitCode.USAGE,
        )
    with readable_errors(target.hosted, "pull request", str(target)), client(target.hosted, token) as github:
        author = target.author or own_login(github)
        pull = github.get_repo(target.repository).get_pull(target.number)
        return with_retries(lambda: _upsert(pull, author, first_line, body, create=create), sleep)


def _upsert(pull: PullRequest, author: str, first_line: str, body: str, *, create: bool) -> CommentResult:
    ours = [comment for comment in pull.get_issue_comments() if is_ours(comment, author, first_line)]
    if not ours and not create:
        return CommentResult(Outcome.MISSING, "", 0)
    if not ours:
        return CommentResult(Outcome.CREATED, pull.create_issue_comment(body).html_url, 0)
    oldest, *duplicates = sorted(ours, key=lambda comment: comment.id)
    for comment in duplicates:
        comment.delete()
    if normalized(oldest.body) == body:
        return CommentResult(Outcome.UNCHANGED, oldest.html_url, len(duplicates))
    oldest.edit(body)
    return CommentResult(Outcome.EDITED, oldest.html_url, len(duplicates))


def is_ours(post: IssueComment | Issue, author: str, first_line: str) -> bool:
    """Whether ``author`` wrote the comment or issue and its first line is ``first_line``."""
    has_marker = normalized(post.body or "").split("\n", 1)[0] == first_line
    return has_marker and post.user is not None and post.user.login.lower() == author.lower()


def normalized(text: str) -> str:
    """The text with normalized line endings, because GitHub may change them."""
    return text.replace("\r\n", "\n").strip()


def own_login(client: Github) -> str:
    """Login of the token's user."""
    from github import GithubException

    try:
        return client.get_user().login
    except GithubException as error:
        if error.status == 403 and "not accessible by integration" in str(error.data).lower():
            return ACTIONS_BOT
        raise
