"""A git repository around a copy of the project, for tests of what depends on revisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygit2

from tests.lab.project import Project, copy_project

_AUTHOR = pygit2.Signature("Test", "test@example.org", 1_700_000_000, 0)
_MAIN = "main"


@dataclass
class Repository:
    """The repository; its working copy is the project's folder."""

    project: Project
    git: pygit2.Repository

    def commit(self, message: str) -> str:
        """Commit everything that lies there; gives the commit's id."""
        return commit_all(self.git, message)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands exactly once in a file of the project."""
        path = self.project.directory / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new))


def commit_all(git: pygit2.Repository, message: str) -> str:
    """Commit everything that lies in the working copy; gives the commit's id."""
    git.index.add_all()
    git.index.write()
    parents = [] if git.head_is_unborn else [git.head.target]
    return str(git.create_commit("HEAD", _AUTHOR, _AUTHOR, message, git.index.write_tree(), parents))


def make_repository(directory: Path) -> Repository:
    """A copy of the project, committed as ``main`` with the tag ``base``."""
    project = copy_project(directory)
    (directory / ".gitignore").write_text(".venv\n.local\n__pycache__/\nPulumi.pr-*.yaml\n*.plan\n")
    repository = Repository(project, pygit2.init_repository(str(directory), initial_head=_MAIN))
    base = repository.commit("the project as it is")
    repository.git.references.create("refs/tags/base", base)
    return repository
