"""The steps of a release, on a repository and its remote; all of them are idempotent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.releases.publish import move_branch, push_commit, push_release
from ops.releases.release import Release
from ops.releases.remote import Remote
from ops.releases.tags import Releases
from tests.ops.test_releases import CONTENT, DAY

BRANCH = "release_candidate"
STACK = "production"
MAIN = "main"


@dataclass
class Clone:
    """A clone like a job's checkout."""

    folder: Path
    when: int = 0
    """Ensure that commits of two clones have different times."""

    def git(self, *arguments: str) -> str:
        date = f"{1_700_000_000 + self.when} +0000"
        name = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_COMMITTER_DATE": date}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env={**os.environ, **name}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, text: str, file: str = "Pulumi.stage.yaml") -> str:
        (self.folder / file).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", text)
        return self.git("rev-parse", "HEAD")

    def release(self, **content: object) -> Release:
        return Releases.of(self.folder).record(STACK, DAY, self.git("rev-parse", "HEAD"), **{**CONTENT, **content})

    @property
    def remote(self) -> Remote:
        return Remote(self.folder)


Clones = Callable[..., Clone]


@pytest.fixture
def clone(tmp_path: Path) -> Clones:
    """Makes clones of one repository, whose main branch has a commit; `at` is a commit to check out."""
    origin, times = Clone(tmp_path), count(1)
    origin.git("init", "--quiet", "--bare", "--initial-branch", MAIN, "origin.git")
    origin.git("clone", "--quiet", "origin.git", "first")

    def make(name: str, at: str = f"origin/{MAIN}", who: str = "bot") -> Clone:
        folder = tmp_path / name
        if not folder.exists():
            origin.git("clone", "--quiet", "origin.git", name)
        made = Clone(folder, next(times))
        made.git("config", "user.name", who)
        made.git("config", "user.email", f"{who}@example.org")
        if made.git("branch", "--remotes"):
            made.git("checkout", "--quiet", "--detach", at)
        return made

    first = make("first", who="somebody")
    first.git("checkout", "--quiet", "-b", MAIN)
    first.commit("begin")
    first.git("push", "--quiet", "origin", MAIN, f"{MAIN}:{BRANCH}")
    return make


# --- the commit of a promotion ------------------------------------------------------------------------------


def test_a_repeated_run_uses_the_commit_of_its_first_attempt(clone: Clones) -> None:
    one = clone("one")
    made = one.commit("promoted")
    assert push_commit(one.remote, BRANCH).commit == made
    assert push_commit(one.remote, BRANCH).existed
    later = one.commit("promoted on", "Pulumi.production.yaml")  # by a later job of the run
    push_commit(one.remote, BRANCH)

    again = clone("again")
    assert again.commit("promoted") != made
    assert push_commit(again.remote, BRANCH).commit == made
    assert again.git("rev-parse", "HEAD") == made
    assert again.git("status", "--porcelain") == ""
    again.commit("promoted on", "Pulumi.production.yaml")
    assert push_commit(again.remote, BRANCH).commit == later
    # Where nothing was left to promote, the commit that was pushed by hand is the one to go on with.
    idle = clone("idle")
    assert push_commit(idle.remote, BRANCH).commit == idle.git("rev-parse", "HEAD")


def test_an_overtaken_run_fails(clone: Clones) -> None:
    behind, somebody = clone("behind"), clone("somebody", who="somebody")
    behind.commit("promoted")
    newer = somebody.commit("next", "code")
    somebody.git("push", "--quiet", "origin", f"HEAD:{BRANCH}")
    with pytest.raises(OpsError, match=f"{BRANCH} is now at commit {newer[:12]}") as refused:
        push_commit(behind.remote, BRANCH)
    assert refused.value.code is ExitCode.REFUSED
    # Also where its own attempt is below.
    first = clone("first-attempt", at=newer)
    first.commit("promoted")
    push_commit(first.remote, BRANCH)
    somebody.git("pull", "--quiet", "origin", BRANCH)
    somebody.commit("after", "code")
    somebody.git("push", "--quiet", "origin", f"HEAD:{BRANCH}")
    repeated = clone("repeated", at=newer)
    repeated.commit("promoted")
    with pytest.raises(OpsError, match="another release has started"):
        push_commit(repeated.remote, BRANCH)


def test_a_rejected_push_is_explained(clone: Clones, tmp_path: Path) -> None:
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    one = clone("one")
    one.commit("promoted")
    with pytest.raises(OpsError, match=r"pre-receive hook declined.*scripts/snu doctor --repo") as refused:
        push_commit(one.remote, BRANCH)
    assert refused.value.code is ExitCode.FAILED
    one.git("remote", "set-url", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(OpsError, match="git ls-remote failed"):
        push_commit(one.remote, BRANCH)


# --- tag and branch -----------------------------------------------------------------------------------------


def test_a_release_is_published_once(clone: Clones) -> None:
    one = clone("one")
    released = one.commit("promoted")
    release = one.release()
    for existed in (False, True):
        assert push_release(one.remote, Releases.of(one.folder), release).existed is existed
        assert move_branch(one.remote, STACK, released).existed is existed
    # The job again, in a new checkout; meanwhile there is a later release.
    later = one.commit("later")
    push_release(one.remote, Releases.of(one.folder), one.release(plan_id="later"))
    move_branch(one.remote, STACK, later)
    again = clone("again", at=released)
    found = Releases.of(again.folder).all(STACK)[1]
    assert push_release(again.remote, Releases.of(again.folder), found).existed
    assert move_branch(again.remote, STACK, released).existed
    assert one.remote.find(f"refs/heads/{STACK}") == later


def test_two_releases_that_took_the_same_number(clone: Clones) -> None:
    one, other = clone("one"), clone("other")
    one.commit("one")
    other.commit("other")
    first, second = one.release(plan_id="one"), other.release(plan_id="other")
    assert first.name == second.name
    push_release(one.remote, Releases.of(one.folder), first)
    published = push_release(other.remote, Releases.of(other.folder), second)
    assert published.name == f"{STACK}/{DAY}.2"
    assert published.commit == other.git("rev-parse", "HEAD")
    assert [each.plan_id for each in Releases.of(other.folder).all(STACK)] == ["other", "one"]


def test_a_diverged_branch_is_not_moved(clone: Clones) -> None:
    one, other = clone("one"), clone("other")
    there = one.commit("one")
    move_branch(one.remote, STACK, there)
    with pytest.raises(OpsError, match=f"it has diverged and is at {there[:12]}"):
        move_branch(other.remote, STACK, other.commit("other"))
    assert one.remote.find(f"refs/heads/{STACK}") == there


# --- what a release must hold -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["merge", "squash", "none"])
def test_how_the_last_release_was_merged_back(clone: Clones, how: str) -> None:
    one = clone("one")
    released = one.commit("promoted")
    main = clone("two", who="somebody")
    main.git("fetch", "--quiet", str(one.folder), released)
    main.commit("main goes on", "code")
    if how == "merge":
        main.git("merge", "--quiet", "--no-edit", released)
    elif how == "squash":
        main.git("merge", "--quiet", "--squash", released)
        main.git("commit", "--quiet", "--message", "Release (#1)")
    head = main.git("rev-parse", "HEAD")
    assert main.remote.contains(head, released) is (how == "merge")
    assert main.remote.repository.has_changes_of(head, released) is (how != "none")
