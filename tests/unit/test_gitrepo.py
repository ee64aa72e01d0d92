"""Versions, plans, diffs and releases are the same in every kind of checkout, or fail with what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitrepo import GitError, Repository
from infra.images.errors import ImageSourceError
from infra.images.working_copy import WorkingCopy
from ops import git as ops_git
from ops.diff.revisions import find_revisions
from ops.errors import OpsError
from ops.images.history import History
from ops.releases import hotfix
from ops.releases.committed_file import CommittedFile
from ops.releases.tags import Releases

FILES = {
    "images.yaml": '{"workspace": "apps", "images": {"api": {"folder": "apps/api"}, "web": {"folder": "apps/web"}}}',
    ".gitignore": "ignored\n",
    ".gitattributes": "*.txt text\n",
    "Pulumi.yaml": "name: test\nruntime: python\n",
    "Pulumi.production.yaml": "config: {}\n",
    "apps/package.json": '{"workspaces": ["api", "web", "packages/*"]}',
    "apps/api/package.json": '{"name": "api", "dependencies": {"shared": "*"}}',
    "apps/api/Dockerfile": "FROM x\n",
    "apps/api/notes.txt": "one\ntwo\n",
    "apps/packages/shared/package.json": '{"name": "shared"}',
    "apps/web/package.json": '{"name": "web"}',
    "apps/web/Dockerfile": "FROM y\n",
    "docs/page.md": "a page\n",
}
DAY = date(2026, 11, 26)
RELEASE: dict[str, Any] = {
    "images": {},
    "plan": "p",
    "plan_id": "i",
    "by": "A",
    "at": datetime(2026, 11, 26, tzinfo=UTC),
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "protocol.file.allow=always", "-c", "core.hooksPath=/dev/null", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{arguments}: {ended.stderr}"
    return ended.stdout.strip()


def configured(folder: Path) -> Path:
    git(folder, "config", "user.name", "A")
    git(folder, "config", "user.email", "a@snu.localhost")
    return folder


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def created(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    write(configured(folder), files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=one")
    return folder


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits on a hotfix branch: a release, a change to the app `api`, and a change to a page."""
    folder = created(tmp_path_factory.mktemp("git") / "origin", FILES)
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    Releases.of(folder).record("production", DAY, git(folder, "rev-parse", "HEAD"), **RELEASE)
    git(folder, "switch", "--quiet", "--create", "production_hotfix")
    for path in ("apps/api/main.js", "docs/other.md"):
        write(folder, {path: path})
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", f"--message={path}")
    return folder


# --- kinds of checkouts ---------------------------------------------------------------------------------


def clone(origin: Path, folder: Path, *options: str) -> Path:
    git(origin.parent, "clone", "--quiet", *options, f"file://{origin}", str(folder))
    return configured(folder)


def sparse(origin: Path, folder: Path) -> Path:
    git(clone(origin, folder), "sparse-checkout", "set", "docs")
    assert not (folder / "apps/api").exists()
    return folder


def sparse_by_pattern(origin: Path, folder: Path) -> Path:
    git(clone(origin, folder), "sparse-checkout", "set", "--no-cone", "/*", "!/apps/web/*", "!/apps/api/Dockerfile")
    assert not (folder / "apps/web").exists()
    return folder


def sparse_index(origin: Path, folder: Path) -> Path:
    git(clone(origin, folder), "sparse-checkout", "set", "--sparse-index", "docs")
    return folder


def partial_and_sparse(origin: Path, folder: Path) -> Path:
    """A partial clone, as used by CI: files that are not checked out are missing."""
    clone(origin, folder, "--filter=blob:none", "--no-checkout")
    git(folder, "sparse-checkout", "set", "docs")
    git(folder, "checkout", "--quiet", "production_hotfix")
    return folder


def linked(origin: Path, folder: Path) -> Path:
    main = clone(origin, folder.with_name("main"))
    git(main, "switch", "--quiet", "--detach")
    git(main, "worktree", "add", "--quiet", str(folder), "production_hotfix")
    return folder


def submodule(origin: Path, folder: Path) -> Path:
    outer = created(folder.with_name("outer"), {"a": "b"})
    git(outer, "submodule", "add", "--quiet", f"file://{origin}", "inner")
    git(outer / "inner", "switch", "--quiet", "production_hotfix")
    return configured(outer / "inner")


def nested(origin: Path, folder: Path) -> Path:
    """A repository inside of another one, which does not ignore it."""
    return clone(origin, created(folder.with_name("around"), {"a": "b"}) / "here")


def carriage_returns(origin: Path, folder: Path) -> Path:
    clone(origin, folder, "--config", "core.autocrlf=true")
    assert b"\r\n" in (folder / "apps/api/notes.txt").read_bytes()
    return folder


def flagged(origin: Path, folder: Path) -> Path:
    clone(origin, folder)
    git(folder, "update-index", "--assume-unchanged", "apps/api/main.js", "apps/web/Dockerfile", "docs/page.md")
    git(folder, "update-index", "--skip-worktree", "docs/page.md", "Pulumi.production.yaml")
    return folder


def accelerated(origin: Path, folder: Path) -> Path:
    """File system monitors and caches, which Git would query instead of the files."""
    clone(origin, folder)
    monitor = folder / ".git/monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {folder}/.git/was-run\n")
    monitor.chmod(0o755)
    for name, value in (("untrackedCache", "true"), ("splitIndex", "true"), ("fsmonitor", str(monitor))):
        git(folder, "config", f"core.{name}", value)
    git(folder, "update-index", "--split-index")
    for hook in ("pre-commit", "commit-msg", "post-index-change", "reference-transaction"):
        shutil.copy(monitor, folder / ".git/hooks" / hook)
    (folder / ".git/was-run").unlink(missing_ok=True)
    return folder


def unfriendly(origin: Path, folder: Path) -> Path:
    """User settings that change the output of commands."""
    clone(origin, folder)
    for setting in (
        "status.showUntrackedFiles=no",
        "status.relativePaths=true",
        "core.quotePath=true",
        "log.showSignature=true",
        "color.ui=always",
        "diff.ignoreSubmodules=all",
        "commit.cleanup=scissors",
        "core.pager=false",
    ):
        git(folder, "config", *setting.split("="))
    return folder


def replaced(origin: Path, folder: Path) -> Path:
    """A replacement object."""
    clone(origin, folder)
    first, last = git(folder, "rev-parse", "HEAD~2"), git(folder, "rev-parse", "HEAD")
    git(folder, "replace", last, first)
    return folder


CHECKOUTS: dict[str, Callable[[Path, Path], Path]] = {
    "plain": clone,
    "sparse": sparse,
    "sparse by pattern": sparse_by_pattern,
    "sparse index": sparse_index,
    "blobs missing": lambda origin, folder: clone(origin, folder, "--filter=blob:none"),
    "trees missing": lambda origin, folder: clone(origin, folder, "--filter=tree:0"),
    "partial and sparse": partial_and_sparse,
    "shallow": lambda origin, folder: clone(origin, folder, "--depth=1", "--no-single-branch"),
    "linked": linked,
    "submodule": submodule,
    "nested": nested,
    "carriage returns": carriage_returns,
    "flagged": flagged,
    "accelerated": accelerated,
    "unfriendly": unfriendly,
    "replaced": replaced,
}


# --- what commands ask ----------------------------------------------------------------------------------


def versions(folder: Path) -> object:
    copy = WorkingCopy(folder)
    return {name: copy.inputs(name).version for name in copy.versions.images}


def context(folder: Path) -> object:
    """The build context that Docker receives."""
    _, made = WorkingCopy(folder).keep_context("api", folder.with_name(f"{folder.name}-contexts"))
    return {str(path.relative_to(made)): path.read_bytes() for path in made.rglob("*") if path.is_file()}


def planned(folder: Path) -> object:
    return ops_git.revision(folder), ops_git.author(folder)


def differs(folder: Path) -> object:
    found = find_revisions(folder, "HEAD")
    return found.same, found.differ_in("apps/api/Dockerfile", "docs/page.md", "nowhere")


def written(folder: Path) -> object:
    """The files that `snu diff` evaluates."""
    target = folder.with_name(f"{folder.name}-written")
    target.mkdir()
    found = find_revisions(folder, "HEAD")
    found.write(found.head, target)
    files = {str(each.relative_to(target)): each.read_text() for each in target.rglob("*") if each.is_file()}
    shutil.rmtree(target)
    return files


def since_base(folder: Path) -> object:
    found = find_revisions(folder, "production/2026-11-26.1...HEAD")
    return found.base.commit


def releases(folder: Path) -> object:
    return Releases.of(folder).all("production")


def is_hotfix(folder: Path) -> object:
    return hotfix.find(folder, "production", {})


def commits(folder: Path) -> object:
    """The commits that changed the app since its release."""
    copy = WorkingCopy(folder)
    repository = copy.repository
    old = copy.versions.inputs("api", repository.tree("production/2026-11-26.1")).version
    history = History(repository, copy.versions, str(repository.commit("HEAD")))
    found = history.find("api", {old})
    return [change.subject for change in history.changes("api", found[old] if found else "production/2026-11-26.1")]


def committable(folder: Path) -> object:
    CommittedFile(folder / "Pulumi.production.yaml").require_clean()
    return True


COMMANDS = (versions, context, planned, differs, written, since_base, releases, is_hotfix, commits, committable)


@dataclass(frozen=True)
class Refused:
    """A command's error message."""

    message: str


def answers(folder: Path) -> dict[str, object]:
    def answer(command: Callable[[Path], object]) -> object:
        try:
            return command(folder)
        except (OpsError, ImageSourceError, GitError) as error:
            return Refused(str(error))

    return {command.__name__: answer(command) for command in COMMANDS}


@pytest.fixture(scope="module")
def expected(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, dict[str, object]]:
    """The results in a plain clone: clean, and with a changed file."""
    folder = clone(origin, tmp_path_factory.mktemp("git") / "checkout")
    clean = answers(folder)
    assert [each for each in clean.values() if isinstance(each, Refused)] == []
    changed = answers(write(folder, CHANGE))
    assert isinstance(changed["committable"], Refused)
    assert changed["versions"] != clean["versions"]
    return {False: clean, True: changed}


CHANGE = {
    "docs/page.md": "another page\n",
    "docs/new.md": "new\n",
    "apps/api/main.js": "changed\n",
    "Pulumi.production.yaml": "config: {a: b}\n",
}
SHALLOW = {"is_hotfix": "git fetch --unshallow", "since_base": "git fetch --unshallow", "commits": "git fetch --unsh"}


@pytest.mark.parametrize("kind", CHECKOUTS)
def test_every_checkout_gives_the_same_results_or_fails(
    kind: str, origin: Path, expected: dict[bool, dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CHECKOUTS[kind](origin, tmp_path / "checkout")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):  # as a hook sets them
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    refusals = SHALLOW if kind == "shallow" else {}
    for is_changed, plain in expected.items():
        if is_changed:
            write(folder, CHANGE)
        index = index_of(folder)
        for command, answer in answers(folder).items():
            if command in refusals:
                assert isinstance(answer, Refused)
                assert refusals[command] in answer.message
            else:
                assert answer == plain[command], command
        assert index_of(folder) == index
    assert not (folder / ".git/was-run").exists()


def index_of(folder: Path) -> bytes:
    link = folder / ".git"
    directory = link if link.is_dir() else folder / link.read_text().removeprefix("gitdir: ").strip()
    return (directory / "index").read_bytes()


# --- flags of the index ---------------------------------------------------------------------------------


def linked_to_a(path: Path) -> None:
    path.unlink()
    path.symlink_to("a")


def turned_into_a_folder(path: Path) -> None:
    path.unlink()
    write(path, {"below": "x"})


_PATHS = ("a", "b", "folder/c", "folder/d")
_EDITS: dict[str, Callable[[Path], object]] = {
    "kept": lambda path: None,
    "changed": lambda path: path.write_text("other"),
    "grown": lambda path: path.write_text("longer than it was"),
    "removed": lambda path: path.unlink(),
    "executable": lambda path: path.chmod(0o755),
    "link": linked_to_a,
    "folder": turned_into_a_folder,
}
_FLAGS = ("--assume-unchanged", "--skip-worktree")


@pytest.fixture(scope="module")
def flaggable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return created(tmp_path_factory.mktemp("git") / "flags", dict.fromkeys(_PATHS, "text\n"))


@given(
    flags=st.dictionaries(st.sampled_from(_PATHS), st.lists(st.sampled_from(_FLAGS), unique=True)),
    edits=st.fixed_dictionaries({path: st.sampled_from(sorted(_EDITS)) for path in _PATHS}),
    added=st.lists(st.sampled_from(("new", "folder/new", "other/new")), unique=True),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flag_hides_a_change(
    flaggable: Path, flags: dict[str, list[str]], edits: dict[str, str], added: list[str]
) -> None:
    shutil.rmtree(flaggable / "other", ignore_errors=True)
    git(flaggable, "read-tree", "HEAD")
    git(flaggable, "clean", "-dffqx")
    git(flaggable, "checkout-index", "--all", "--force")
    for path, given_flags in flags.items():
        for flag in given_flags:
            git(flaggable, "update-index", flag, path)
    for path, edit in edits.items():
        _EDITS[edit](flaggable / path)
    write(flaggable, dict.fromkeys(added, "new"))
    state = ops_git.revision(flaggable)
    git(flaggable, "read-tree", "HEAD")
    git(flaggable, "add", "--all")
    assert state.tree == git(flaggable, "write-tree")
    assert state.dirty == (state.tree != git(flaggable, "rev-parse", "HEAD^{tree}"))


def test_a_change_within_the_tick_of_a_clock_is_seen(tmp_path: Path) -> None:
    """The copy of the index keeps its time; files that are not older are compared by content."""
    folder = created(tmp_path / "checkout", {"a": "one", "b": "text"})
    git(folder, "config", "core.trustctime", "false")
    for text in ("one", "two"):
        (folder / "a").write_text(text)
        os.utime(folder / "a", (1_700_000_000, 1_700_000_000))
        if text == "one":
            git(folder, "add", "--renormalize", "a")
            git(folder, "update-index", "--refresh")
            git(folder, "update-index", "--assume-unchanged", "b")
            os.utime(folder / ".git/index", (1_700_000_000, 1_700_000_000))
    assert ops_git.revision(folder).changed == ("a",)


# --- refusals -------------------------------------------------------------------------------------------


def repository_within(folder: Path) -> None:
    created(folder / "apps/api/lib", {"file": "x"})


def empty_repository_within(folder: Path) -> None:
    (folder / "apps/api/lib").mkdir()
    git(folder / "apps/api/lib", "init", "--quiet")


def changed_submodule(folder: Path) -> None:
    git(folder, "submodule", "add", "--quiet", f"file://{created(folder.parent / 'lib', {'x': 'y'})}", "apps/api/lib")
    git(folder, "commit", "--quiet", "--message=lib")
    git(folder, "config", "submodule.apps/api/lib.ignore", "all")
    (folder / "apps/api/lib/x").write_text("z")


@pytest.mark.parametrize("make", [repository_within, empty_repository_within, changed_submodule])
def test_files_that_no_commit_can_contain_are_rejected(make: Callable[[Path], None], tmp_path: Path) -> None:
    folder = created(tmp_path / "checkout", FILES)
    web = WorkingCopy(folder).inputs("web").version
    make(folder)
    with pytest.raises(OpsError, match=r"nested repositories.*: apps/api/lib\. For each one, commit its changes"):
        ops_git.revision(folder)
    copy = WorkingCopy(folder)
    with pytest.raises(ImageSourceError, match="api: apps/api/lib is a nested Git repository"):
        copy.inputs("api")
    assert copy.inputs("web").version == web


def test_a_file_with_a_filter_is_in_no_image(tmp_path: Path) -> None:
    """Git stores a pointer, which would end up in the image."""
    folder = created(
        tmp_path / "checkout", {**FILES, "apps/api/big.bin": "version https://git-lfs.github.com/spec/v1\n"}
    )
    write(folder, {".gitattributes": "*.bin filter=lfs\n"})
    with pytest.raises(ImageSourceError, match=r"api: apps/api/big\.bin has a Git filter"):
        context(folder)


def test_files_of_a_broken_partial_clone_are_named_by_git(origin: Path, tmp_path: Path) -> None:
    lost = tmp_path / "origin"
    shutil.copytree(origin, lost)
    folder = partial_and_sparse(lost, tmp_path / "checkout")
    shutil.rmtree(lost)
    with pytest.raises(GitError, match=r"could not fetch .* from promisor remote"):
        WorkingCopy(folder).inputs("api")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (None, r"git could not be started .*; install Git 2\.25 or newer"),
        ('[ "$9" = x ] || for last; do :; done; echo "--is-shallow-repository\n/x\n/x"', r"old; install Git 2\.25"),
        ("echo fatal: detected dubious ownership >&2; exit 128", "git: detected dubious ownership"),
        ("exit 3", "`git rev-parse` failed with exit status 3"),
    ],
    ids=["missing", "old", "refuses", "silent"],
)
def test_a_git_that_cannot_be_used(
    program: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match=message):
        ops_git.revision(tmp_path)
    with pytest.raises(GitError, match=message):
        WorkingCopy(tmp_path)


def test_no_hook_runs_and_nothing_else_is_committed(origin: Path, tmp_path: Path) -> None:
    folder = accelerated(origin, tmp_path / "checkout")
    write(folder, CHANGE)
    git(folder, "-c", "core.fsmonitor=false", "add", "docs")
    (folder / ".git/was-run").unlink(missing_ok=True)
    made = CommittedFile(folder / "Pulumi.production.yaml").commit("# A title\n\n# kept\n")
    assert not (folder / ".git/was-run").exists()
    shown = git(folder, "show", "--name-only", "--format=%B", made)
    assert shown.split() == ["#", "A", "title", "#", "kept", "Pulumi.production.yaml"]
    assert ops_git.revision(folder).changed == ("apps/api/main.js", "docs/new.md", "docs/page.md")


def test_git_is_started_only_a_few_times(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clone(origin, tmp_path / "checkout")
    started: list[object] = []
    start = subprocess.Popen.__init__

    def counted(self: subprocess.Popen[bytes], *arguments: Any, **options: Any) -> None:
        started.append(arguments)
        start(self, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", counted)
    for command, most in ((versions, 4), (planned, 6), (differs, 4), (commits, 6)):
        started.clear()
        command(folder)
        assert 0 < len(started) <= most, f"{command.__name__}: {started}"


def test_a_squashed_branch_is_included(tmp_path: Path) -> None:
    """Its changes are included although its commits are not; a reverted change is not."""
    folder = created(tmp_path / "code", {"a": "1\n", "b": "1\n"})
    git(folder, "switch", "--quiet", "--create", "fix")
    for text in ("2\n", "3\n"):
        write(folder, {"a": text})
        git(folder, "commit", "--quiet", "--all", "--message=fix")
    git(folder, "switch", "--quiet", "main")
    write(folder, {"b": "2\n"})
    git(folder, "commit", "--quiet", "--all", "--message=other")
    repository = Repository.find(folder)
    assert repository is not None
    assert not repository.includes("main", "fix")
    git(folder, "merge", "--quiet", "--squash", "fix")
    git(folder, "commit", "--quiet", "--message=squashed")
    assert repository.includes("main", "fix")
    assert repository.includes("fix", "main~2")
    git(folder, "revert", "--no-edit", "HEAD")
    assert not repository.includes("main", "fix")
