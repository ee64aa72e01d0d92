"""One issue on GitHub for the drift of each stack, found again by a hidden marker, through PyGithub."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.github import WRITE_ISSUES, Repository, clear_errors, client, tried_again
from ops.pull_request import is_ours, marker, normal, own_login

if TYPE_CHECKING:
    from github.Issue import Issue
    from github.Repository import Repository as Home

LABEL = "drift"
_KIND = "drift"
_GONE = "No drift any more: the cloud is as the last update left it, and nothing is in the project that no state knows."


class Outcome(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    REOPENED = "opened again"
    CLOSED = "closed"
    UNCHANGED = "unchanged, nothing was written"


@dataclass(frozen=True)
class IssueResult:
    """What became of an issue."""

    outcome: Outcome
    url: str = ""
    """Empty where there is none, and none was needed."""


def keep_issue(
    repository: Repository, token: str, stack: str, text: str | None, *, sleep: Callable[[float], None] = time.sleep
) -> IssueResult:
    """Make the stack's issue say this and be open; None: make it closed, where there is one.

    Only an issue that the token's owner has written, and that has the label, is it. Raises OpsError when GitHub
    refuses or cannot be reached.
    """
    first = marker(stack, _KIND)
    with clear_errors(repository, "repository", repository.name, WRITE_ISSUES), client(repository, token) as hub:
        author, home = own_login(hub), hub.get_repo(repository.name)
        return tried_again(lambda: _kept(home, author, stack, first, text), sleep)


def _kept(home: Home, author: str, stack: str, first: str, text: str | None) -> IssueResult:
    ours = [each for each in home.get_issues(state="all", labels=[LABEL]) if is_ours(each, author, first)]
    ours.sort(key=lambda issue: issue.number)
    for issue in ours[1:]:  # two runs at the same time, or an answer that was lost
        _close(issue)
    if text is None:
        return _closed(ours[0]) if ours else IssueResult(Outcome.UNCHANGED)
    body = f"{first}\n{normal(text)}"
    if not ours:
        made = home.create_issue(title=f"Drift of {stack}", body=body, labels=[LABEL])
        return IssueResult(Outcome.CREATED, made.html_url)
    kept = ours[0]
    if kept.state != "open":
        kept.edit(body=body, state="open")
        return IssueResult(Outcome.REOPENED, kept.html_url)
    if normal(kept.body or "") == body:
        return IssueResult(Outcome.UNCHANGED, kept.html_url)
    kept.edit(body=body)
    return IssueResult(Outcome.EDITED, kept.html_url)


def _closed(issue: Issue) -> IssueResult:
    if not _close(issue):
        return IssueResult(Outcome.UNCHANGED, issue.html_url)
    issue.create_comment(_GONE)
    return IssueResult(Outcome.CLOSED, issue.html_url)


def _close(issue: Issue) -> bool:
    """Whether it was open."""
    if issue.state != "open":
        return False
    issue.edit(state="closed")
    return True
