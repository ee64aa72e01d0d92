"""A stack's file as git has it, and a commit of that file and nothing else."""

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

_NEED = "what runs where is committed."


class CommittedFile:
    """A file of a repository's working copy."""

    def __init__(self, file: Path) -> None:
        """Raises OpsError where the file belongs to no repository, or nothing was committed yet."""
        self.repository = git.find_repository(file.parent, _NEED)
        if self.repository.commit("HEAD") is None:
            raise OpsError(f"{self.repository.root} has no commit; {_NEED}", ExitCode.USAGE)
        self._file = file
        self._path = file.resolve().relative_to(self.repository.root.resolve()).as_posix()

    @property
    def name(self) -> str:
        return self._file.name

    def require_clean(self, change: Callable[[Any], None] = lambda _config: None) -> None:
        """Raises OpsError when the file is not what the last commit has, or nobody is set to commit it.

        ``change``: what is to be committed; it may be in the file already, from a run that did not commit.
        """
        if not self.repository.is_committed(self._path) and not self._has_only(change):
            raise OpsError(
                f"{self._file.name} has changes that are not committed, and they would be in the commit too. Commit "
                "them or put them back (`git stash`), then try again; the file was not changed.",
                ExitCode.USAGE,
            )
        if self.repository.identity() is None:
            raise OpsError(
                "git's settings do not say who commits: set user.name and user.email (`git config`).",
                ExitCode.ENVIRONMENT,
            )

    def _has_only(self, change: Callable[[Any], None]) -> bool:
        """Whether the file is the committed one with the change, and it makes a difference."""
        if not self._file.is_file() or not self.is_altered_by(change):
            return False
        return self._file.read_bytes().decode(errors="replace") == self._committed_with(change)

    def is_altered_by(self, change: Callable[[Any], None]) -> bool:
        """Whether the file of the last commit would become another one."""
        return self._committed_with(change) != self._committed_with(lambda _config: None)

    def _committed_with(self, change: Callable[[Any], None]) -> str | None:
        """The last commit's file with a change; None where it is not there, or the change does not fit it."""
        text = self.text_at("HEAD")
        try:
            if text is None:
                return None
            yaml_file.parse(text, self.name).checked()
            return edited(text, change)
        except (PulumiError, KeyError, TypeError):
            return None

    def text_at(self, commit: str) -> str | None:
        """The file's text in a commit; None where it is not there, or the commit is not known here."""
        content = self.repository.file(commit, self._path)
        return None if content is None else content.decode()

    def commit(self, message: str) -> str:
        """Commit the file as it lies there; what else has changed stays as it is. Gives the commit's id."""
        return self.repository.commit_file(self._path, message)
