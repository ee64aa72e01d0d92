"""Brings what was released back to the main branch: a pull request on GitHub from a branch of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import WRITE_PULL_REQUESTS, Repository, clear_errors, client
from ops.releases.release import Release

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository as Hosted


@dataclass(frozen=True)
class ReleasedBranch:
    """A branch that a release was made from."""

    branch: str
    commit: str
    """Its newest."""
    release: Release


@dataclass(frozen=True)
class PullRequestResult:
    """What was done on GitHub."""

    branch: str
    """The branch of the pull request."""
    url: str
    """Empty if there is no pull request, as the base holds the commit."""
    was_there: bool
    """Whether there was nothing left to do."""


def open_pull_request(
    hub: Repository, token: str, released: ReleasedBranch, base: str, title: str, body: str
) -> PullRequestResult:
    """Open a pull request from a branch of its own at the release's commit; one that is open or merged stays.

    The branch that was released can be deleted then, and the pull request stays open. Raises OpsError.
    """
    name = f"{released.branch}-{released.release.day.isoformat()}.{released.release.number}"
    owner = hub.name.partition("/")[0]
    with clear_errors(hub, "repository", hub.name, WRITE_PULL_REQUESTS), client(hub, token) as github:
        hosted = github.get_repo(hub.name)
        for each in hosted.get_pulls(state="all", head=f"{owner}:{name}", base=base):
            if each.state == "open" or each.merged_at is not None:
                return PullRequestResult(name, each.html_url, was_there=True)
        _require_branch(hosted, name, released)
        if hosted.compare(base, released.commit).ahead_by == 0:
            return PullRequestResult(name, "", was_there=True)
        made: PullRequest = hosted.create_pull(base=base, head=name, title=title, body=body)
        return PullRequestResult(name, made.html_url, was_there=False)


def _require_branch(hosted: Hosted, name: str, released: ReleasedBranch) -> None:
    from github import GithubException, UnknownObjectException

    try:
        found = hosted.get_git_ref(f"heads/{name}").object.sha
    except UnknownObjectException:
        try:
            hosted.create_git_ref(f"refs/heads/{name}", released.commit)
        except GithubException as error:
            if error.status != 422:
                raise
            raise OpsError(
                f"GitHub does not know commit {released.commit[:12]}: push {released.branch} first (`git push origin "
                f"{released.branch}`), then try again.",
                ExitCode.FAILED,
            ) from None
    else:
        if found != released.commit:
            raise OpsError(
                f"The branch {name} is on GitHub already, at commit {found[:12]} and not at "
                f"{released.commit[:12]}. Bring that one back first, or delete it.",
                ExitCode.FAILED,
            )


def delete_branch(hub: Repository, token: str, released: ReleasedBranch) -> bool:
    """Delete the branch that was released; gives whether it was there. Raises OpsError if it is at another commit."""
    from github import UnknownObjectException

    with clear_errors(hub, "repository", hub.name), client(hub, token) as github:
        try:
            reference = github.get_repo(hub.name).get_git_ref(f"heads/{released.branch}")
            found = reference.object.sha  # asks
        except UnknownObjectException:
            return False
        if found != released.commit:
            raise OpsError(
                f"{released.branch} was not deleted: on GitHub it is at commit {found[:12]}, here at "
                f"{released.commit[:12]}.",
                ExitCode.FAILED,
            )
        reference.delete()
        return True
