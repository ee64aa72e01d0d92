"""The branch of a hotfix, which is cut from what a stack runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.images.working_copy import find_repository
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.pull_request import ReleasedBranch
from ops.releases.tags import Releases

if TYPE_CHECKING:
    import pygit2


@dataclass(frozen=True)
class HotFix(ReleasedBranch):
    """A branch that may become a release by itself. It holds the stack's newest release, which may be its own."""

    stack: str


def branch_name(stack: str) -> str:
    return f"{stack}_hotfix"


def find(project: Path, stack: str, environ: Mapping[str, str]) -> HotFix:
    """What is checked out. Raises OpsError unless it is the stack's branch, and descends from what the stack runs."""
    repository = find_repository(project)
    if repository is None or repository.head_is_unborn:
        raise OpsError(f"{project} belongs to no git repository with a commit.", ExitCode.USAGE)
    wanted, found = branch_name(stack), _branch(repository, environ)
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
    head = str(repository.head.target)
    if head != release.commit and not _descends(repository, head, release.commit):
        raise OpsError(
            f"{wanted} does not hold commit {release.commit[:12]} of {release.name}, which {stack} runs: it would take "
            f"back what {stack} has. Cut it anew (`git switch -c {wanted} {release.name}`), and pick the fix onto it. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    return HotFix(wanted, head, release, stack)


def _branch(repository: pygit2.Repository, environ: Mapping[str, str]) -> str:
    """CI checks out a commit, and says in the environment of which branch it is."""
    return environ.get("GITHUB_REF_NAME", "") if repository.head_is_detached else str(repository.head.shorthand)


def _descends(repository: pygit2.Repository, head: str, commit: str) -> bool:
    import pygit2

    try:
        return repository.descendant_of(pygit2.Oid(hex=head), pygit2.Oid(hex=commit))
    except (pygit2.GitError, KeyError, ValueError):
        return False
