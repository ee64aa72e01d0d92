"""One comment per stack on a pull request, found again by a hidden marker, through PyGithub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import Repository, clear_errors, client, read_token, tried_again
from ops.report.markdown import COMMENT_LIMIT

if TYPE_CHECKING:
    from github import Github
    from github.Issue import Issue
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest

__all__ = ["CommentResult", "CommentTarget", "Outcome", "marker", "read_token", "write_comment"]

ACTIONS_BOT = "github-actions[bot]"
"""Whose comments a workflow's own token writes; that token may not ask who it is."""

_STACK = re.compile(r"[A-Za-z0-9_.-]+")


class Outcome(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    UNCHANGED = "unchanged, nothing was written"
    MISSING = "not there, nothing was written"


@dataclass(frozen=True)
class CommentResult:
    """What became of a comment."""

    outcome: Outcome
    url: str
    removed: int
    """So many more comments with the same marker, all of ours, were deleted."""


@dataclass(frozen=True)
class CommentTarget:
    """A pull request, and whose comments on it are ours."""

    repository: str
    """``owner/name``."""
    number: int
    api_url: str
    author: str | None = None
    """The login whose comments are ours; None: that of the token."""

    def __post_init__(self) -> None:
        """Raises OpsError for what cannot be one, and for an address that the token must not be sent to."""
        self.place  # noqa: B018 - it is refused where it is not one

    @property
    def place(self) -> Repository:
        """Where it is."""
        return Repository(self.repository, self.api_url)

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"


def marker(stack: str, kind: str = "plan") -> str:
    """The hidden first line. Raises OpsError for a name that would not stay hidden."""
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
    """Make the pull request have exactly this comment of ours of a kind for the stack.

    ``create``: also where there is none yet. Raises OpsError when GitHub refuses, cannot be reached, or the text is too
    long for it.
    """
    first = marker(stack, kind)
    body = f"{first}\n{normal(text)}"
    if len(body) > COMMENT_LIMIT:
        raise OpsError(
            f"The comment would have {len(body)} characters, and GitHub takes {COMMENT_LIMIT}: `--markdown` of "
            "`scripts/snu preview`, `plan` and `diff` writes texts that fit.",
            ExitCode.USAGE,
        )
    with clear_errors(target.place, "pull request", str(target)), client(target.place, token) as hub:
        author = target.author or own_login(hub)
        pull = hub.get_repo(target.repository).get_pull(target.number)
        return tried_again(lambda: _upsert(pull, author, first, body, create=create), sleep)


def _upsert(pull: PullRequest, author: str, first: str, body: str, *, create: bool) -> CommentResult:
    ours = [comment for comment in pull.get_issue_comments() if is_ours(comment, author, first)]
    if not ours and not create:
        return CommentResult(Outcome.MISSING, "", 0)
    if not ours:
        return CommentResult(Outcome.CREATED, pull.create_issue_comment(body).html_url, 0)
    kept, *others = sorted(ours, key=lambda comment: comment.id)
    for comment in others:
        comment.delete()
    if normal(kept.body) == body:
        return CommentResult(Outcome.UNCHANGED, kept.html_url, len(others))
    kept.edit(body)
    return CommentResult(Outcome.EDITED, kept.html_url, len(others))


def is_ours(written: IssueComment | Issue, author: str, first: str) -> bool:
    """Whether the author wrote it, with this marker as its first line."""
    begins = normal(written.body or "").split("\n", 1)[0] == first
    return begins and written.user is not None and written.user.login.lower() == author.lower()


def normal(text: str) -> str:
    """As GitHub may give it back."""
    return text.replace("\r\n", "\n").strip()


def own_login(client: Github) -> str:
    """Of whom the token belongs to."""
    from github import GithubException

    try:
        return client.get_user().login
    except GithubException as error:
        if error.status == 403 and "not accessible by integration" in str(error.data).lower():
            return ACTIONS_BOT
        raise
