"""A git repository around a copy of the project, for tests of what depends on revisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygit2

from tests.support.project import Project, copy_project

_AUTHOR = pygit2.Signature("Test", "test@example.org", 1_700_000_000, 0)
_MAIN = "main"


@dataclass
class Repository:
    """The repository; its working copy is the project's folder."""

    project: Project
    git: pygit2.Repository

    def commit(self, message: str) -> str:
        """Commit everything that lies there; gives the commit's id."""
        index = self.git.index
        index.add_all()
        index.write()
        parents = [] if self.git.head_is_unborn else [self.git.head.target]
        return str(self.git.create_commit("HEAD", _AUTHOR, _AUTHOR, message, index.write_tree(), parents))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands exactly once in a file of the project."""
        path = self.project.directory / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new))


def make_repository(directory: Path) -> Repository:
    """A copy of the project, committed as ``main`` with the tag ``base``."""
    project = copy_project(directory)
    (directory / ".gitignore").write_text(".venv\n.local\n__pycache__/\nPulumi.pr-*.yaml\n*.plan\n")
    repository = Repository(project, pygit2.init_repository(str(directory), initial_head=_MAIN))
    base = repository.commit("the project as it is")
    repository.git.references.create("refs/tags/base", base)
    return repository
