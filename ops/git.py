"""The repository that a stack's files are in: its commit, and the tree of what lies in the working copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitrepo import GitError, Repository
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.text import safe

_SHOWN = 10


def find_repository(folder: Path, need: str) -> Repository:
    """The repository that a folder belongs to. `need`: why there has to be one. Raises OpsError."""
    try:
        found = Repository.find(folder)
    except GitError as error:
        raise OpsError(str(error), ExitCode.USAGE) from None
    if found is None:
        raise OpsError(f"{folder} belongs to no git repository; {need}", ExitCode.USAGE)
    return found


@dataclass(frozen=True)
class Revision:
    """What a working copy holds."""

    commit: str
    tree: str
    """Of the files as they lie there, with changes that are not committed; ignored files do not count."""
    changed: tuple[str, ...]
    """Files that differ from the commit."""

    @property
    def dirty(self) -> bool:
        return bool(self.changed)

    def shown_changes(self) -> str:
        more = len(self.changed) - _SHOWN
        listed = "".join(f"\n  {safe(path)}" for path in self.changed[:_SHOWN])
        return f"{listed}\n  and {more} more" if more > 0 else listed


def revision(folder: Path) -> Revision:
    """The working copy that a folder belongs to.

    Raises OpsError when there is none, nothing was committed, or files in it are in no tree of this repository.
    """
    repository = find_repository(folder, "a plan names the commit and the files that it was made of.")
    state = repository.working_state()
    if state.commit is None:
        raise OpsError(f"{repository.root}: nothing was committed yet", ExitCode.USAGE)
    if state.opaque:
        listed = ", ".join(map(safe, state.opaque))
        raise OpsError(
            f"{repository.root} has changed files in repositories of their own, which no commit of this one names: "
            f"{listed}. Commit in each and add it as a submodule, remove it, or have Git ignore it.",
            ExitCode.USAGE,
        )
    return Revision(state.commit, state.tree, state.changed)


def author(folder: Path) -> str:
    """Who works here, as Git's settings say; empty where they do not."""
    return find_repository(folder, "its settings say who plans.").identity() or ""
