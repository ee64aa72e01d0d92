"""The branch of a hot-fix: cut from what a stack runs, and brought back to the main branch when that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import Repository, clear_errors, client
from ops.releases.release import Release
from ops.releases.tags import Releases

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository as Hosted


@dataclass(frozen=True)
class HotFix:
    """A branch that may become a release by itself."""

    stack: str
    branch: str
    commit: str
    """Its newest."""
    release: Release
    """The newest of the stack, which the branch holds."""


def branch_name(stack: str) -> str:
    return f"{stack}_hotfix"


def find(project: Path, stack: str, environ: Mapping[str, str]) -> HotFix:
    """What is checked out. Raises OpsError unless it is the stack's branch, and descends from what the stack runs."""
    repository = git.find_repository(project, "a hot-fix is a branch of one.")
    head = repository.commit("HEAD")
    if head is None:
        raise OpsError(f"{repository.root}: nothing was committed yet", ExitCode.USAGE)
    # CI checks out a commit, and says in the environment of which branch it is.
    wanted, found = branch_name(stack), repository.branch() or environ.get("GITHUB_REF_NAME", "")
    if found != wanted:
        raise OpsError(
            f"A hot-fix of {stack} is made on the branch {wanted}; this is {found or 'no branch'}. Cut it from what "
            f"{stack} runs, see `scripts/snu releases {stack}`. Nothing was changed.",
            ExitCode.USAGE,
        )
    release = Releases(repository).newest(stack)
    if release is None:
        raise OpsError(
            f"{stack} has no release that {wanted} could be cut from, or its tags are not here: fetch them with "
            "`git fetch --tags`. Nothing was changed.",
            ExitCode.USAGE,
        )
    if not repository.includes(head, release.commit):
        raise OpsError(
            f"{wanted} does not hold commit {release.commit[:12]} of {release.name}, which {stack} runs: it would take "
            f"back what {stack} has. Cut it anew (`git switch -c {wanted} {release.name}`), and pick the fix onto it. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    return HotFix(stack, wanted, head, release)


# --- back to the main branch ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Returned:
    """What was done on GitHub."""

    branch: str
    """The one that the pull request brings: the hot-fix's own name is free again."""
    url: str
    was_there: bool
    """Whether there was such a pull request already."""


def open_pull_request(hub: Repository, token: str, fix: HotFix, base: str, title: str, body: str) -> Returned:
    """Open a pull request from a branch of its own at the hot-fix's commit; one that is open already stays.

    The branch of the hot-fix can be deleted then, and the pull request stays open. Raises OpsError.
    """
    name = f"{fix.branch}-{fix.release.day.isoformat()}.{fix.release.number}"
    owner = hub.name.partition("/")[0]
    with clear_errors(hub, "repository", hub.name), client(hub, token) as github:
        hosted = github.get_repo(hub.name)
        _require_branch(hosted, name, fix)
        for each in hosted.get_pulls(state="open", head=f"{owner}:{name}", base=base):
            return Returned(name, each.html_url, was_there=True)
        made: PullRequest = hosted.create_pull(base=base, head=name, title=title, body=body)
        return Returned(name, made.html_url, was_there=False)


def _require_branch(hosted: Hosted, name: str, fix: HotFix) -> None:
    from github import GithubException, UnknownObjectException

    try:
        found = hosted.get_git_ref(f"heads/{name}").object.sha
    except UnknownObjectException:
        try:
            hosted.create_git_ref(f"refs/heads/{name}", fix.commit)
        except GithubException as error:
            if error.status != 422:
                raise
            raise OpsError(
                f"GitHub does not know commit {fix.commit[:12]}: push {fix.branch} first (`git push origin "
                f"{fix.branch}`), then try again.",
                ExitCode.FAILED,
            ) from None
    else:
        if found != fix.commit:
            raise OpsError(
                f"The branch {name} is on GitHub already, at commit {found[:12]} and not at {fix.commit[:12]}. Bring "
                "that one back first, or delete it.",
                ExitCode.FAILED,
            )


def delete_branch(hub: Repository, token: str, fix: HotFix) -> bool:
    """Delete the hot-fix's branch; gives whether it was there. Raises OpsError when it is not at the commit of here."""
    from github import UnknownObjectException

    with clear_errors(hub, "repository", hub.name), client(hub, token) as github:
        try:
            reference = github.get_repo(hub.name).get_git_ref(f"heads/{fix.branch}")
            found = reference.object.sha  # asks
        except UnknownObjectException:
            return False
        if found != fix.commit:
            raise OpsError(
                f"{fix.branch} was not deleted: on GitHub it is at commit {found[:12]}, here at {fix.commit[:12]}.",
                ExitCode.FAILED,
            )
        reference.delete()
        return True
