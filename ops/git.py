"""The Git repository that contains a stack's files: its commit and the working copy's tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitrepo import GitError, Repository
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.text import safe

_SHOWN = 10


def find_repository(folder: Path, need: str) -> Repository:
    """The repository that contains a folder. `need`: why one is needed, for the error message. Raises OpsError."""
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
    """Id of the tree of all files, including uncommitted changes but excluding ignored files."""
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

    Raises OpsError if there is no repository, it has no commits, or nested repositories contain changed files.
    """
    repository = find_repository(folder, "a plan records the commit and the files that it was created from.")
    state = repository.working_state()
    if state.commit is None:
        raise OpsError(f"{repository.root} has no commits yet. Commit the files first.", ExitCode.USAGE)
    if state.opaque:
        listed = ", ".join(map(safe, state.opaque))
        raise OpsError(
            f"{repository.root} contains nested repositories with changed files that no commit records: {listed}. "
            "For each one, commit its changes and add it as a submodule, delete it, or add it to .gitignore.",
            ExitCode.USAGE,
        )
    return Revision(state.commit, state.tree, state.changed)


def author(folder: Path) -> str:
    """The user's identity in Git's configuration; empty if it is not set."""
    return find_repository(folder, "a plan takes its author from the repository's configuration.").identity() or ""
