"""The Git repository of a stack's files: its commit, and the tree of the working copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitrepo import GitError, Repository
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.text import safe

_SHOWN = 10


def find_repository(folder: Path, need: str) -> Repository:
    """The repository of a folder. `need`: why one is needed, for the error message. Raises OpsError."""
    try:
        repository = Repository.find(folder)
    except GitError as error:
        raise OpsError(str(error), ExitCode.USAGE) from None
    if repository is None:
        raise OpsError(f"{folder} is not in a Git repository; {need}", ExitCode.USAGE)
    return repository


@dataclass(frozen=True)
class Revision:
    """The content of a working copy."""

    commit: str
    tree: str
    """Id of the tree of all files, with uncommitted changes and without ignored files."""
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
    """The content of the working copy that contains a folder.

    Raises OpsError if there is none, nothing was committed, or it has changed files in nested repositories.
    """
    repository = find_repository(folder, "a plan records the commit and the files that it was made from.")
    state = repository.working_state()
    if state.commit is None:
        raise OpsError(f"{repository.root} has no commits yet. Commit the files first.", ExitCode.USAGE)
    if state.opaque:
        listed = ", ".join(map(safe, state.opaque))
        raise OpsError(
            f"{repository.root} contains nested repositories with changed files, which no commit records: {listed}. "
            "Commit in each and add it as a submodule, remove it, or add it to .gitignore.",
            ExitCode.USAGE,
        )
    return Revision(state.commit, state.tree, state.changed)


def author(folder: Path) -> str:
    """The user's identity in Git's configuration; empty if it is not set."""
    return find_repository(folder, "its configuration names the author of a plan.").identity() or ""
