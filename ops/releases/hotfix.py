"""The branch of a hotfix, which is cut from what a stack runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.pull_request import ReleasedBranch
from ops.releases.tags import Releases


@dataclass(frozen=True)
class Hotfix(ReleasedBranch):
    """A branch that may become a release by itself. It holds the stack's newest release, which may be its own."""

    stack: str


def branch_name(stack: str) -> str:
    return f"{stack}_hotfix"


def find(project: Path, stack: str, environ: Mapping[str, str]) -> Hotfix:
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
    return Hotfix(wanted, head, release, stack)
