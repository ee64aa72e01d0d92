"""Two revisions of a project, each laid out as files in a folder of its own."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    import pygit2

WORKING_TREE = "working tree"
_RANGE = re.compile(r"(?P<base>.+?)(?P<dots>\.\.\.?)(?P<head>.*)")
_SHOWN_DIGITS = 8
_PROJECT_FILE = "Pulumi.yaml"


@dataclass(frozen=True)
class Side:
    """One of the two revisions."""

    name: str
    """As it was given: ``main``; or ``working tree``."""
    commit: str | None
    """None: the files as they lie in the working copy."""

    @property
    def shown(self) -> str:
        if self.commit is None or self.commit.startswith(self.name):
            return self.name[:_SHOWN_DIGITS] if self.commit else self.name
        return f"{self.name} ({self.commit[:_SHOWN_DIGITS]})"


@dataclass(frozen=True)
class Revisions:
    """What ``BASE..HEAD`` stands for in the repository that a project belongs to."""

    repository: pygit2.Repository
    project: Path
    """The project's folder, relative to the repository's."""
    base: Side
    head: Side

    @property
    def same(self) -> bool:
        """Whether both hold the same files."""
        if None in (self.base.commit, self.head.commit) and self._uncommitted():
            return False
        return self._committed(self.base).id == self._committed(self.head).id

    def differ_in(self, *names: str) -> list[str]:
        """Those of the project's files that are not the same at both."""
        return [name for name in names if self._content(self.base, name) != self._content(self.head, name)]

    def write(self, side: Side, folder: Path) -> Path:
        """Lay a revision's files out; gives the project's folder. The working copy and its index stay as they are.

        Raises OpsError when the revision has no project there.
        """
        from pygit2.enums import CheckoutStrategy

        strategy = CheckoutStrategy.FORCE | CheckoutStrategy.DONT_UPDATE_INDEX
        checkout: Any = self.repository.checkout_tree  # has no types
        checkout(self._committed(side), directory=str(folder), strategy=strategy)
        if side.commit is None:
            self._lay_changes_over(folder)
        project = folder / self.project
        if not (project / _PROJECT_FILE).is_file():
            raise OpsError(
                f"There is no Pulumi project at {side.shown}: it has no file {self.project / _PROJECT_FILE}. Compare "
                "revisions that have one, or give the project's folder with --cwd.",
                ExitCode.USAGE,
            )
        return project

    def _lay_changes_over(self, folder: Path) -> None:
        for name in self._uncommitted():
            source, target = Path(self.repository.workdir, name), folder / name
            target.unlink(missing_ok=True)
            if source.is_file() or source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    def _uncommitted(self) -> list[str]:
        """The files that differ in the working copy from its commit; ignored files do not count."""
        from pygit2.enums import FileStatus

        return [name for name, status in self.repository.status().items() if not status & FileStatus.IGNORED]

    def _committed(self, side: Side) -> pygit2.Tree:
        """The files of a revision's commit; of the working copy, those of the commit that is checked out."""
        return self._tree(side.commit or str(self.repository.head.target))

    def _tree(self, commit: str) -> pygit2.Tree:
        import pygit2

        return self.repository[commit].peel(pygit2.Tree)

    def _content(self, side: Side, name: str) -> object:
        path = self.project / name
        if side.commit is None:
            file = Path(self.repository.workdir, path)
            return file.read_bytes() if file.is_file() else None
        try:
            return self._tree(side.commit)[path.as_posix()].read_raw()
        except KeyError:
            return None


def find_revisions(project_dir: Path, text: str) -> Revisions:
    """Read ``BASE..HEAD``; ``BASE...HEAD``: since HEAD left BASE; ``BASE`` alone: from there to the working copy.

    Raises OpsError when there is no repository or no such revision.
    """
    import pygit2

    found = pygit2.discover_repository(str(project_dir))
    repository = pygit2.Repository(found) if found else None
    if repository is None or repository.workdir is None:
        raise OpsError(f"{project_dir} belongs to no working copy of a git repository.", ExitCode.USAGE)
    project = project_dir.relative_to(Path(repository.workdir).resolve())
    parts = _RANGE.fullmatch(text)
    if parts is None:
        return Revisions(repository, project, Side(text, _commit(repository, text)), Side(WORKING_TREE, None))
    base, head = _commit(repository, parts["base"]), _commit(repository, parts["head"] or "HEAD")
    if parts["dots"] == "...":
        common = repository.merge_base(base, head)
        if common is None:
            raise OpsError(
                f"{parts['base']} and {parts['head'] or 'HEAD'} have no commit in common. In a shallow clone fetch "
                "more of their history, or use `..` for what differs between the two.",
                ExitCode.USAGE,
            )
        base = str(common)
    return Revisions(repository, project, Side(parts["base"], base), Side(parts["head"] or "HEAD", head))


def _commit(repository: pygit2.Repository, name: str) -> str:
    import pygit2

    try:
        return str(repository.revparse_single(name).peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):
        raise OpsError(
            f"There is no revision {name!r} in {repository.workdir}. Give a branch, a tag or a commit that this clone "
            "has: BASE..HEAD, or BASE alone to compare it with the working copy. A shallow clone may have to fetch it.",
            ExitCode.USAGE,
        ) from None
