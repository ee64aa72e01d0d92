"""Two revisions of a project, each laid out as files in a folder of its own."""

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
    """As it was given: ``main``; or ``working tree``."""
    commit: str | None
    """None: the files as they lie in the working copy."""
    tree: str
    """The files."""

    @property
    def shown(self) -> str:
        if self.commit is None or self.commit.startswith(self.name):
            return self.name[:_SHOWN_DIGITS] if self.commit else self.name
        return f"{self.name} ({self.commit[:_SHOWN_DIGITS]})"


@dataclass(frozen=True)
class Revisions:
    """What ``BASE..HEAD`` stands for in the repository that a project belongs to."""

    repository: Repository
    project: Path
    """The project's folder, relative to the repository's."""
    base: RevisionSide
    head: RevisionSide

    @property
    def same(self) -> bool:
        """Whether both hold the same files."""
        return self.base.tree == self.head.tree

    def differ_in(self, *names: str) -> list[str]:
        """Those of the project's files that are not the same at both."""
        return [name for name in names if self._content(self.base, name) != self._content(self.head, name)]

    def write(self, side: RevisionSide, folder: Path) -> Path:
        """Lay a revision's files out; gives the project's folder. The working copy and its index stay as they are.

        Raises OpsError when the revision has no project there.
        """
        self.repository.check_out(side.tree, folder)
        project = folder / self.project
        if not (project / _PROJECT_FILE).is_file():
            raise OpsError(
                f"There is no Pulumi project at {side.shown}: it has no file {self.project / _PROJECT_FILE}. Compare "
                "revisions that have one, or give the project's folder with --cwd.",
                ExitCode.USAGE,
            )
        return project

    def _content(self, side: RevisionSide, name: str) -> bytes | None:
        return self.repository.file(side.tree, (self.project / name).as_posix())


def find_revisions(project_dir: Path, text: str) -> Revisions:
    """Read ``BASE..HEAD``; ``BASE...HEAD``: since HEAD left BASE; ``BASE`` alone: from there to the working copy.

    Raises OpsError when there is no repository or no such revision, ShallowError when it has too little history.
    """
    repository = git.find_repository(project_dir, "there is nothing to compare with.")
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
                f"{base.name} and {head.name} have no commit in common. Use `..` for what differs between the two.",
                ExitCode.USAGE,
            )
        base = RevisionSide(base.name, common, repository.tree(common))
    return Revisions(repository, project, base, head)


def _side(repository: Repository, name: str) -> RevisionSide:
    commit = repository.commit(name)
    if commit is None:
        raise OpsError(
            f"There is no revision {name!r} in {repository.root}. Give a branch, a tag or a commit that this clone "
            "has: BASE..HEAD, or BASE alone to compare it with the working copy. A shallow clone may have to fetch it.",
            ExitCode.USAGE,
        )
    return RevisionSide(name, commit, repository.tree(commit))
