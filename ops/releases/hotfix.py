"""The hotfix branch, which starts at the release that a stack runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.pull_request import ReleasedBranch
from ops.releases.tags import Releases

_TITLE = re.compile(r"Hotfix of [\w-]+, for [\w-]+: ")


@dataclass(frozen=True)
class Hotfix(ReleasedBranch):
    """A hotfix branch. It contains the stack's latest release, which may have been made from it."""

    stack: str


def branch_name(stack: str) -> str:
    return f"{stack}_hotfix"


def title(stack: str, source: str, apps: Collection[str]) -> str:
    """The title of a hotfix's changelog, which is also the subject of its commit.

    ``source``: the stack whose registry the hotfix is built for.
    """
    return f"Hotfix of {stack}, for {source}: {', '.join(apps) or 'no app'}"


def is_title(subject: str) -> bool:
    """Whether a commit's subject is the title of a hotfix."""
    return _TITLE.match(subject) is not None


def find(project: Path, stack: str, environ: Mapping[str, str]) -> Hotfix:
    """The checked-out hotfix branch. Raises OpsError unless it belongs to the stack and contains its latest release."""
    repository = git.find_repository(project, "a hotfix is a Git branch.")
    head = repository.commit("HEAD")
    if head is None:
        raise OpsError(f"{repository.root} has no commits yet", ExitCode.USAGE)
    # CI checks out a commit and passes the branch in the environment.
    expected, branch = branch_name(stack), repository.branch() or environ.get("GITHUB_REF_NAME", "")
    if branch != expected:
        raise OpsError(
            f"A hotfix of {stack} must be on the branch {expected}, but {branch or 'no branch'} is checked out. Create "
            f"the branch from the release that {stack} runs (see `scripts/snu releases {stack}`). Nothing was changed.",
            ExitCode.USAGE,
        )
    release = Releases(repository).newest(stack)
    if release is None:
        raise OpsError(
            f"This clone has no release tag of {stack} to start {expected} from. Run `git fetch --tags`. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    if not repository.includes(head, release.commit):
        raise OpsError(
            f"{expected} does not contain {release.name} (commit {release.commit[:12]}), which {stack} runs, and would "
            f"undo it. Recreate the branch (`git switch -C {expected} {release.name}`) and cherry-pick the fix. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    return Hotfix(expected, head, release, stack)
