"""Finds two Git revisions of a project and writes their files to folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gitrepo import Repository
from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode

WORKING_TREE = "working tree"
_RANGE = re.compile(r"(?P<base>.+?)(?P<dots>\.\.\.?)(?P<head>.*)")
_SHOWN_DIGITS = 8
_PROJECT_FILE = "Pulumi.yaml"


@dataclass(frozen=True)
class RevisionSide:
    """One of the two revisions."""

    name: str
    """The name as given, such as ``main``, or ``working tree``."""
    commit: str | None
    """None for the working tree."""
    tree: str
    """Git tree of the files."""

    @property
    def shown(self) -> str:
        if self.commit is None or self.commit.startswith(self.name):
            return self.name[:_SHOWN_DIGITS] if self.commit else self.name
        return f"{self.name} ({self.commit[:_SHOWN_DIGITS]})"


@dataclass(frozen=True)
class Revisions:
    """The revisions ``BASE..HEAD`` in a project's repository."""

    repository: Repository
    project: Path
    """The project's folder, relative to the repository."""
    base: RevisionSide
    head: RevisionSide

    @property
    def same(self) -> bool:
        """Whether both revisions have the same files."""
        return self.base.tree == self.head.tree

    def differ_in(self, *names: str) -> list[str]:
        """The given project files that differ between the revisions."""
        return [name for name in names if self._content(self.base, name) != self._content(self.head, name)]

    def write(self, side: RevisionSide, folder: Path) -> Path:
        """Write a revision's files and return the project's folder. Does not touch the working tree or index.

        Raises OpsError if the revision does not contain the project.
        """
        self.repository.check_out(side.tree, folder)
        project = folder / self.project
        if not (project / _PROJECT_FILE).is_file():
            raise OpsError(
                f"{side.shown} has no Pulumi project: {self.project / _PROJECT_FILE} is missing. Compare other "
                "revisions, or specify the project's folder with --cwd.",
                ExitCode.USAGE,
            )
        return project

    def _content(self, side: RevisionSide, name: str) -> bytes | None:
        return self.repository.file(side.tree, (self.project / name).as_posix())


def find_revisions(project_dir: Path, text: str) -> Revisions:
    """Parse ``BASE..HEAD``, ``BASE...HEAD`` (from the merge base), or ``BASE`` (up to the working tree).

    Raises OpsError if there is no repository or a revision is unknown, and ShallowError if the clone lacks history.
    """
    repository = git.find_repository(project_dir, "`scripts/snu diff` compares Git revisions.")
    project = project_dir.resolve().relative_to(repository.root.resolve())
    parts = _RANGE.fullmatch(text)
    if parts is None:
        head = RevisionSide(WORKING_TREE, None, repository.working_state().tree)
        return Revisions(repository, project, _side(repository, text), head)
    base, head = _side(repository, parts["base"]), _side(repository, parts["head"] or "HEAD")
    if parts["dots"] == "...":
        common = repository.merge_base(str(base.commit), str(head.commit))
        if common is None:
            raise OpsError(
                f"{base.name} and {head.name} have no common ancestor. Use `..` to compare them directly.",
                ExitCode.USAGE,
            )
        base = RevisionSide(base.name, common, repository.tree(common))
    return Revisions(repository, project, base, head)


def _side(repository: Repository, name: str) -> RevisionSide:
    commit = repository.commit(name)
    if commit is None:
        raise OpsError(
            f"{repository.root} has no revision {name!r}. Expected BASE..HEAD, or BASE to compare with the working "
            "tree, where each is a branch, tag or commit. In a shallow clone, fetch the revision first.",
            ExitCode.USAGE,
        )
    return RevisionSide(name, commit, repository.tree(commit))
