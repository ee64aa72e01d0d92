"""The GitHub issue that reports a stack's drift, identified by a hidden marker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.github import WRITE_ISSUES, Repository, client, readable_errors, with_retries
from ops.pull_request import is_ours, marker, normalized, own_login

if TYPE_CHECKING:
    from github.Issue import Issue
    from github.Repository import Repository as Hosted

LABEL = "drift"
_KIND = "drift"
_RESOLVED = "The drift is resolved: the live resources match the state, and the project contains no orphans."


class Outcome(StrEnum):
    CREATED = "created"
    EDITED = "edited"
    REOPENED = "reopened"
    CLOSED = "closed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class IssueResult:
    """The result of updating an issue."""

    outcome: Outcome
    url: str = ""
    """Empty if there is no issue."""


def update_issue(
    repository: Repository, token: str, stack: str, text: str | None, *, sleep: Callable[[float], None] = time.sleep
) -> IssueResult:
    """Open or update the stack's issue with this text; close it if the text is None.

    Only labelled issues written by the token's owner are considered. Raises OpsError if GitHub rejects a request or
    cannot be reached.
    """
    first_line = marker(stack, _KIND)
    with readable_errors(repository, "repository", repository.name, WRITE_ISSUES), client(repository, token) as github:
        author, hosted = own_login(github), github.get_repo(repository.name)
        return with_retries(lambda: _update(hosted, author, stack, first_line, text), sleep)


def _update(hosted: Hosted, author: str, stack: str, first_line: str, text: str | None) -> IssueResult:
    ours = [each for each in hosted.get_issues(state="all", labels=[LABEL]) if is_ours(each, author, first_line)]
    ours.sort(key=lambda issue: issue.number)
    for duplicate in ours[1:]:  # created by concurrent runs or after a lost response
        _close(duplicate)
    if text is None:
        return _closed(ours[0]) if ours else IssueResult(Outcome.UNCHANGED)
    body = f"{first_line}\n{normalized(text)}"
    if not ours:
        created = hosted.create_issue(title=f"Drift of {stack}", body=body, labels=[LABEL])
        return IssueResult(Outcome.CREATED, created.html_url)
    issue = ours[0]
    if issue.state != "open":
        issue.edit(body=body, state="open")
        return IssueResult(Outcome.REOPENED, issue.html_url)
    if normalized(issue.body or "") == body:
        return IssueResult(Outcome.UNCHANGED, issue.html_url)
    issue.edit(body=body)
    return IssueResult(Outcome.EDITED, issue.html_url)


def _closed(issue: Issue) -> IssueResult:
    if not _close(issue):
        return IssueResult(Outcome.UNCHANGED, issue.html_url)
    issue.create_comment(_RESOLVED)
    return IssueResult(Outcome.CLOSED, issue.html_url)


def _close(issue: Issue) -> bool:
    """Close an issue. Returns whether it was open."""
    if issue.state != "open":
        return False
    issue.edit(state="closed")
    return True
