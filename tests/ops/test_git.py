"""What git knows of a working copy, without touching it."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from ops import git
from ops.errors import OpsError

_SIGNATURE = pygit2.Signature("A", "a@snu.localhost")


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    made = pygit2.init_repository(str(tmp_path))
    made.config["user.name"], made.config["user.email"] = "A", "a@snu.localhost"
    for name in ("changed", "deleted", "kept"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".gitignore").write_text("ignored\n")
    commit(made)
    return made


def commit(repository: pygit2.Repository) -> None:
    repository.index.add_all()
    repository.index.write()
    parents = [] if repository.head_is_unborn else [repository.head.target]
    repository.create_commit("HEAD", _SIGNATURE, _SIGNATURE, "x", repository.index.write_tree(), parents)


def test_a_clean_copy(repository: pygit2.Repository, tmp_path: Path) -> None:
    (tmp_path / "ignored").write_text("x")
    found = git.revision(tmp_path)
    assert found.commit == str(repository.head.target)
    assert found.tree == str(repository.head.peel(pygit2.Tree).id)
    assert not found.dirty


def test_changes_give_the_tree_that_a_commit_of_them_has(repository: pygit2.Repository, tmp_path: Path) -> None:
    (tmp_path / "changed").write_text("other")
    (tmp_path / "deleted").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "new").write_text("new")
    index = Path(repository.path, "index").read_bytes()
    found = git.revision(tmp_path / "folder")
    assert found.changed == ("changed", "deleted", "folder/new")
    assert "  deleted" in found.shown_changes()
    assert Path(repository.path, "index").read_bytes() == index
    commit(repository)
    assert found.tree == git.revision(tmp_path).tree


def test_who_works_here(repository: pygit2.Repository, tmp_path: Path) -> None:
    assert git.author(tmp_path) == "A <a@snu.localhost>"


def test_no_repository_and_no_commit(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="is not in a Git repository"):
        git.revision(tmp_path)
    pygit2.init_repository(str(tmp_path))
    with pytest.raises(OpsError, match="has no commits yet"):
        git.revision(tmp_path)
