"""A stack's file as git has it, and a commit of that file and nothing else. No git process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stack_file import edited
from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError

if TYPE_CHECKING:
    import pygit2


class CommittedFile:
    """A file of a repository's working copy."""

    def __init__(self, file: Path) -> None:
        """Raises OpsError where the file belongs to no repository, or nothing was committed yet."""
        from infra.images.working_copy import find_repository

        found = find_repository(file.parent)
        if found is None or found.head_is_unborn:
            raise OpsError(
                f"{file.parent} belongs to no git repository with a commit, and what runs where is committed.",
                ExitCode.USAGE,
            )
        self.repository = found
        self._file = file
        self._path = file.resolve().relative_to(Path(found.workdir).resolve()).as_posix()

    @property
    def name(self) -> str:
        return self._file.name

    def require_clean(self, change: Callable[[Any], None] = lambda _config: None) -> None:
        """Raises OpsError when the file is not what the last commit has, or nobody is set to commit it.

        ``change``: what is to be committed; it may be in the file already, from a run that did not commit.
        """
        import pygit2

        try:
            status = self.repository.status_file(self._path)
        except KeyError:
            status = pygit2.enums.FileStatus.WT_DELETED
        if status != pygit2.enums.FileStatus.CURRENT and not self._has_only(change):
            raise OpsError(
                f"{self._file.name} has changes that are not committed, and they would be in the commit too. Commit "
                "them or put them back (`git stash`), then try again; the file was not changed.",
                ExitCode.USAGE,
            )
        self._author()

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
        import pygit2

        try:
            found = self.repository.revparse_single(commit).peel(pygit2.Tree)[self._path]
        except (KeyError, ValueError, pygit2.GitError):
            return None
        return found.data.decode() if isinstance(found, pygit2.Blob) else None

    def commit(self, message: str) -> str:
        """Commit the file as it lies there; what else has changed stays as it is. Gives the commit's id."""
        import pygit2

        repository, author = self.repository, self._author()
        head = repository.head.peel(pygit2.Commit)
        index = pygit2.Index()
        index.read_tree(head.tree)
        entry = pygit2.IndexEntry(self._path, repository.create_blob_fromworkdir(self._path), index[self._path].mode)
        index.add(entry)
        made = repository.create_commit("HEAD", author, author, message, index.write_tree(repository), [head.id])
        repository.index.read()
        repository.index.add(entry)
        repository.index.write()
        return str(made)

    def _author(self) -> pygit2.Signature:
        try:
            return self.repository.default_signature
        except KeyError:
            raise OpsError(
                "git's settings do not say who commits: set user.name and user.email (`git config`).",
                ExitCode.ENVIRONMENT,
            ) from None
