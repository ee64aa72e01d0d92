"""Hotfix branches: their requirements, and how they are merged back."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from ops.errors import OpsError
from ops.releases import hotfix
from ops.releases.hotfix import Hotfix
from ops.releases.pull_request import delete_branch, open_pull_request
from ops.releases.tags import Releases
from tests.lab.repository import commit_all
from tests.ops.test_releases import CONTENT, DAY
from tests.support.github import TOKEN, FakeGitHub, hub

__all__ = ["hub"]

BRANCH = "production_hotfix"


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    """A repository on the hotfix branch, at production's release."""
    made = pygit2.init_repository(str(tmp_path), initial_head="main")
    change(made, "first")
    made.branches.local.create(BRANCH, made.head.peel(pygit2.Commit))
    made.set_head(f"refs/heads/{BRANCH}")
    return made


def change(repository: pygit2.Repository, message: str) -> str:
    (Path(repository.workdir) / "file").write_text(message)
    return commit_all(repository, message)


def found(repository: pygit2.Repository, **environ: str) -> Hotfix:
    return hotfix.find(Path(repository.workdir), "production", environ)


def test_a_branch_that_contains_the_release(repository: pygit2.Repository) -> None:
    released = str(repository.head.target)
    release = Releases.of(Path(repository.workdir)).record("production", DAY, released, **CONTENT)
    assert found(repository) == Hotfix(BRANCH, released, release, "production")
    fix = change(repository, "fix")
    assert found(repository).commit == fix
    # In CI a commit is checked out.
    repository.set_head(pygit2.Oid(hex=fix))
    assert found(repository, GITHUB_REF_NAME=BRANCH).commit == fix
    with pytest.raises(OpsError, match="but no branch is checked out"):
        found(repository)


def test_a_branch_that_lacks_what_production_runs(repository: pygit2.Repository) -> None:
    """It starts at an older release, or production has had another release since."""
    base = repository.head.target
    repository.set_head("refs/heads/main")
    released = change(repository, "released since")
    Releases.of(Path(repository.workdir)).record("production", DAY, released, **CONTENT)
    repository.set_head(f"refs/heads/{BRANCH}")
    repository.reset(base, pygit2.enums.ResetMode.HARD)
    change(repository, "fix")
    with pytest.raises(
        OpsError, match=rf"does not contain production/2026-11-26.1 \(commit {released[:12]}\)"
    ) as refused:
        found(repository)
    assert "git switch -C production_hotfix production/2026-11-26.1" in str(refused.value)


def test_other_branches_are_not_hotfixes(repository: pygit2.Repository) -> None:
    with pytest.raises(OpsError, match="no release tag of production to start production_hotfix from"):
        found(repository)
    repository.set_head("refs/heads/main")
    with pytest.raises(OpsError, match="must be on the branch production_hotfix, but main is checked out"):
        found(repository)


def test_a_release_with_an_unrelated_history(repository: pygit2.Repository) -> None:
    """The histories have no common commit."""
    signature = pygit2.Signature("B", "b@snu.localhost")
    tree = repository.head.peel(pygit2.Commit).tree_id
    stray = repository.create_commit(None, signature, signature, "stray", tree, [])
    Releases.of(Path(repository.workdir)).record("production", DAY, str(stray), **CONTENT)
    with pytest.raises(OpsError, match="does not contain"):
        found(repository)


# --- GitHub ---------------------------------------------------------------------------------------------


@pytest.fixture
def fix(repository: pygit2.Repository) -> Hotfix:
    Releases.of(Path(repository.workdir)).record("production", DAY, str(repository.head.target), **CONTENT)
    change(repository, "fix")
    return found(repository)


def test_the_pull_request_has_a_branch_of_its_own(hub: FakeGitHub, fix: Hotfix) -> None:
    hub.commits = {fix.commit}
    hub.branches[BRANCH] = fix.commit
    opened = open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "The log")
    assert opened.branch == "production_hotfix-2026-11-26.1"
    assert not opened.existed
    assert hub.branches[opened.branch] == fix.commit
    assert [(pull.title, pull.body) for pull in hub.opened] == [("Back", "The log")]
    again = open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "The log")
    assert (again.url, again.existed) == (opened.url, True)
    assert len(hub.opened) == 1
    hub.pulls[1].is_open, hub.pulls[1].merged_as = False, "f" * 40
    del hub.branches[opened.branch]
    merged = open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "The log")
    assert (merged.url, merged.existed) == (opened.url, True)
    assert hub.branches == {BRANCH: fix.commit}

    assert delete_branch(hub.repository, TOKEN, fix)
    assert hub.branches == {}
    assert not delete_branch(hub.repository, TOKEN, fix)


def test_an_unpushed_fix(hub: FakeGitHub, fix: Hotfix) -> None:
    with pytest.raises(OpsError, match="git push origin production_hotfix"):
        open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "")
    assert hub.opened == []


def test_a_merged_commit_needs_no_pull_request(hub: FakeGitHub, fix: Hotfix) -> None:
    hub.commits, hub.merged = {fix.commit}, {fix.commit}
    returned = open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "")
    assert (returned.url, returned.existed) == ("", True)
    assert hub.opened == []


def test_a_run_can_be_repeated_after_a_missing_permission(hub: FakeGitHub, fix: Hotfix) -> None:
    hub.commits, hub.may_open_pulls = {fix.commit}, False
    with pytest.raises(OpsError, match="must allow GitHub Actions to create pull requests"):
        open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "")
    hub.may_open_pulls = True
    assert not open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "").existed


def test_a_branch_at_another_commit_is_left_alone(hub: FakeGitHub, fix: Hotfix) -> None:
    hub.branches = {BRANCH: "0" * 40, f"{BRANCH}-2026-11-26.1": "1" * 40}
    with pytest.raises(OpsError, match="already exists on GitHub at commit 111111111111"):
        open_pull_request(hub.repository, TOKEN, fix, "main", "Back", "")
    with pytest.raises(OpsError, match="production_hotfix was not deleted: it is at commit 000000000000 on GitHub"):
        delete_branch(hub.repository, TOKEN, fix)
    assert len(hub.branches) == 2
