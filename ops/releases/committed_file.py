"""A stack's file in Git, and commits that contain only that file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stack_file import edited
from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError

_NEED = "what each stack runs is recorded in commits."


class CommittedFile:
    """A file in the working tree of a Git repository."""

    def __init__(self, file: Path) -> None:
        """Raises OpsError if the file is not in a repository or the repository has no commits."""
        self.repository = git.find_repository(file.parent, _NEED)
        if self.repository.commit("HEAD") is None:
            raise OpsError(f"{self.repository.root} has no commits yet; {_NEED}", ExitCode.USAGE)
        self._file = file
        self._path = file.resolve().relative_to(self.repository.root.resolve()).as_posix()

    @property
    def name(self) -> str:
        return self._file.name

    def require_clean(self, change: Callable[[Any], None] = lambda _config: None) -> None:
        """Raises OpsError if the file has uncommitted changes or no Git user is configured.

        ``change`` is the change to be committed; an earlier run may already have written it to the file.
        """
        if not self.repository.is_committed(self._path) and not self._has_only(change):
            raise OpsError(
                f"{self._file.name} has uncommitted changes, which would also be committed. Commit or stash them "
                "(`git stash`), then try again. Nothing was changed.",
                ExitCode.USAGE,
            )
        if self.repository.identity() is None:
            raise OpsError(
                "Git has no committer identity: set user.name and user.email with `git config`.",
                ExitCode.ENVIRONMENT,
            )

    def _has_only(self, change: Callable[[Any], None]) -> bool:
        """Whether this change is the only difference from the committed file."""
        if not self._file.is_file() or not self.is_altered_by(change):
            return False
        return self._file.read_bytes().decode(errors="replace") == self._committed_with(change)

    def is_altered_by(self, change: Callable[[Any], None]) -> bool:
        """Whether a change would alter the file in the last commit."""
        return self._committed_with(change) != self._committed_with(lambda _config: None)

    def _committed_with(self, change: Callable[[Any], None]) -> str | None:
        """The last commit's file with a change; None if the file does not exist or the change cannot be applied."""
        text = self.text_at("HEAD")
        try:
            if text is None:
                return None
            yaml_file.parse(text, self.name).checked()
            return edited(text, change)
        except (PulumiError, KeyError, TypeError):
            return None

    def text_at(self, commit: str) -> str | None:
        """The file's text in a commit; None if the file or the commit does not exist locally."""
        content = self.repository.file(commit, self._path)
        return None if content is None else content.decode()

    def commit(self, message: str) -> str:
        """Commit the file without any other changes. Returns the commit ID."""
        return self.repository.commit_file(self._path, message)
