"""Merges a release back into the main branch with a pull request from a separate branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import WRITE_PULL_REQUESTS, Repository, client, readable_errors
from ops.releases.release import Release

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository as Hosted


@dataclass(frozen=True)
class ReleasedBranch:
    """A branch from which a release was created."""

    branch: str
    commit: str
    """Its latest commit."""
    release: Release


@dataclass(frozen=True)
class PullRequestResult:
    """The result of opening a pull request."""

    branch: str
    """The pull request's branch."""
    url: str
    """Empty if there is no pull request because the base already contains the commit."""
    existed: bool
    """Whether there was nothing to do."""


def open_pull_request(
    repository: Repository, token: str, released: ReleasedBranch, base: str, title: str, body: str
) -> PullRequestResult:
    """Open a pull request from a new branch at the release's commit, unless one is already open or merged.

    It uses a separate branch so that the released branch can be deleted. Raises OpsError.
    """
    name = f"{released.branch}-{released.release.day.isoformat()}.{released.release.number}"
    owner = repository.name.partition("/")[0]
    errors = readable_errors(repository, "repository", repository.name, WRITE_PULL_REQUESTS)
    with errors, client(repository, token) as github:
        hosted = github.get_repo(repository.name)
        for each in hosted.get_pulls(state="all", head=f"{owner}:{name}", base=base):
            if each.state == "open" or each.merged_at is not None:
                return PullRequestResult(name, each.html_url, existed=True)
        _require_branch(hosted, name, released)
        if hosted.compare(base, released.commit).ahead_by == 0:
            return PullRequestResult(name, "", existed=True)
        created: PullRequest = hosted.create_pull(base=base, head=name, title=title, body=body)
        return PullRequestResult(name, created.html_url, existed=False)


def _require_branch(hosted: Hosted, name: str, released: ReleasedBranch) -> None:
    from github import GithubException, UnknownObjectException

    try:
        existing = hosted.get_git_ref(f"heads/{name}").object.sha
    except UnknownObjectException:
        try:
            hosted.create_git_ref(f"refs/heads/{name}", released.commit)
        except GithubException as error:
            if error.status != 422:
                raise
            raise OpsError(
                f"Commit {released.commit[:12]} is not on GitHub. Run `git push origin {released.branch}`, then try "
                "again.",
                ExitCode.FAILED,
            ) from None
    else:
        if existing != released.commit:
            raise OpsError(
                f"The branch {name} already exists on GitHub at commit {existing[:12]}; expected "
                f"{released.commit[:12]}. Merge that branch first, or delete it.",
                ExitCode.FAILED,
            )


def delete_branch(repository: Repository, token: str, released: ReleasedBranch) -> bool:
    """Delete the released branch; returns whether it existed. Raises OpsError if it points to another commit."""
    from github import UnknownObjectException

    with readable_errors(repository, "repository", repository.name), client(repository, token) as github:
        try:
            reference = github.get_repo(repository.name).get_git_ref(f"heads/{released.branch}")
            current = reference.object.sha  # sends the request
        except UnknownObjectException:
            return False
        if current != released.commit:
            raise OpsError(
                f"{released.branch} was not deleted: it is at commit {current[:12]} on GitHub, but at "
                f"{released.commit[:12]} locally.",
                ExitCode.FAILED,
            )
        reference.delete()
        return True
