"""Parts of a promotion: the key for the source, and commits of a single file."""

from __future__ import annotations

import os
from pathlib import Path

import pygit2
import pytest

from ops.errors import OpsError
from ops.releases.committed_file import CommittedFile
from ops.releases.promotion import source_environ
from ops.stack_file import edit
from tests.lab.repository import commit_all

STACK = "Pulumi.stage.yaml"


def test_the_source_is_read_with_its_own_key_if_set() -> None:
    target = {"SCW_ACCESS_KEY": "a", "SCW_SECRET_KEY": "b", "HOME": "/"}
    assert source_environ(target) == target
    own = source_environ({**target, "SNU_SOURCE_ACCESS_KEY": "c", "SNU_SOURCE_SECRET_KEY": "d"})
    assert (own["SCW_ACCESS_KEY"], own["SCW_SECRET_KEY"], own["HOME"]) == ("c", "d", "/")
    for half in ("SNU_SOURCE_ACCESS_KEY", "SNU_SOURCE_SECRET_KEY"):
        with pytest.raises(OpsError, match="Only one of") as refused:
            source_environ({**target, half: "half-of-a-key"})
        assert "half-of-a-key" not in str(refused.value)


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    """With the project in a folder of it."""
    made = pygit2.init_repository(str(tmp_path / "code"), initial_head="main")
    made.config["user.name"], made.config["user.email"] = "A Manager", "manager@snu.localhost"
    project = tmp_path / "code" / "infra"
    project.mkdir()
    (project / STACK).write_text("config: {}\n")
    (project / "other").write_text("x")
    commit_all(made, "first")
    return made


def stack_file(repository: pygit2.Repository) -> Path:
    return Path(repository.workdir) / "infra" / STACK


def test_one_file_is_committed_as_the_git_user(repository: pygit2.Repository) -> None:
    committed = CommittedFile(stack_file(repository))
    committed.require_clean()
    stack_file(repository).write_text("config: {a: 1}\n")
    (Path(repository.workdir) / "infra" / "other").write_text("changed")
    made = repository[committed.commit("Promote\n\nthe log\n")].peel(pygit2.Commit)
    assert made.id == repository.head.target == repository.references["refs/heads/main"].target
    assert (made.author.name, made.author.email) == ("A Manager", "manager@snu.localhost")
    assert [delta.new_file.path for delta in repository.diff("HEAD~1", "HEAD").deltas] == [f"infra/{STACK}"]
    assert repository.status() == {"infra/other": pygit2.enums.FileStatus.WT_MODIFIED}
    assert committed.text_at(str(made.id)) == "config: {a: 1}\n"
    assert committed.text_at("0" * 40) is None
    committed.require_clean()


def test_a_commit_on_a_detached_head(repository: pygit2.Repository) -> None:
    """As in CI."""
    before = repository.head.target
    repository.set_head(before)
    stack_file(repository).write_text("config: {a: 1}\n")
    made = CommittedFile(stack_file(repository)).commit("x")
    assert repository.head_is_detached
    assert str(repository.head.target) == made
    assert repository.references["refs/heads/main"].target == before


def test_a_file_with_uncommitted_changes_is_rejected(repository: pygit2.Repository) -> None:
    committed = CommittedFile(stack_file(repository))
    text = stack_file(repository).read_text()
    for gone in (False, True):
        stack_file(repository).write_text("other")
        if gone:
            stack_file(repository).unlink()
        with pytest.raises(OpsError, match=r"Pulumi\.stage\.yaml has uncommitted changes"):
            committed.require_clean()
    stack_file(repository).write_text(text + "# staged\n")
    repository.index.add(f"infra/{STACK}")
    repository.index.write()
    with pytest.raises(OpsError, match="uncommitted"):
        CommittedFile(stack_file(repository)).require_clean()
    new = stack_file(repository).with_name("Pulumi.new.yaml")
    new.write_text("x")
    with pytest.raises(OpsError, match="uncommitted"):
        CommittedFile(new).require_clean()


def test_changes_of_an_earlier_run_can_be_committed(repository: pygit2.Repository) -> None:
    file = stack_file(repository)

    def change(config: dict[str, object]) -> None:
        config["a"] = 1

    committed = CommittedFile(file)
    assert committed.is_altered_by(change)
    assert edit(file, change)
    committed.require_clean(change)
    with pytest.raises(OpsError, match="uncommitted"):
        committed.require_clean()
    file.write_text(f"{file.read_text()}# and something else\n")
    with pytest.raises(OpsError, match="uncommitted"):
        committed.require_clean(change)
    assert edit(file, lambda config: config.update(a=2))
    with pytest.raises(OpsError, match="uncommitted"):
        committed.require_clean(change)
    new = file.with_name("Pulumi.new.yaml")
    new.write_text(file.read_text())
    with pytest.raises(OpsError, match="uncommitted"):
        CommittedFile(new).require_clean(change)


def test_without_a_git_user(repository: pygit2.Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = CommittedFile(stack_file(repository))

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    del repository.config["user.name"]
    with pytest.raises(OpsError, match=r"set user\.name and user\.email"):
        committed.require_clean()


def test_without_a_repository(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="is not in a Git repository"):
        CommittedFile(tmp_path / STACK)
    pygit2.init_repository(str(tmp_path))
    with pytest.raises(OpsError, match="has no commit"):
        CommittedFile(tmp_path / STACK)
