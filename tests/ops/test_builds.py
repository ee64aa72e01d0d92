"""Parallel builds, and the option `--base`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pygit2
import pytest

from gitrepo import Repository
from infra.images.inputs import Inputs
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images import build
from ops.images.build import ImageBuilder
from ops.images.builds import _branched_from
from ops.images.docker import BuildError, BuildOptions, Docker
from tests.lab.repository import commit_all

# --- side by side ---------------------------------------------------------------------------------------


@dataclass
class FakeDocker:
    """Builds that wait until a given number runs at the same time."""

    together: threading.Barrier
    fails: str = ""
    inside: int = 0
    most: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def build(self, recipe: BuildOptions, on_line: object) -> None:
        with self.guard:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.together.wait(timeout=30)
        with self.guard:
            self.inside -= 1
        if self.fails and f"/{self.fails}:" in recipe.reference:
            raise BuildError("it does not compile")

    def push(self, *_arguments: object) -> None: ...


def inputs(name: str) -> Inputs:
    made: Mapping[str, Any] = {"name": name, "version": "1", "dockerfile": "Dockerfile", "arguments": {}}
    return cast(Inputs, SimpleNamespace(**made))


def builder(docker: FakeDocker, folder: Path) -> ImageBuilder:
    environment: Any = SimpleNamespace(
        registry="registry/snu", secret_key="fake", digest_of=lambda name, _version: f"sha256:{name[0] * 64}"
    )
    copy: Any = SimpleNamespace(repository=None, sources=SimpleNamespace(network=None))
    return ImageBuilder(cast(Docker, docker), environment, copy, folder, {})


@pytest.mark.parametrize(("parallel", "together"), [(3, 3), (1, 1)])
def test_builds_run_in_parallel_up_to_the_limit(
    parallel: int, together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three builds that wait for one another finish only if all run at the same time."""
    monkeypatch.setattr(build, "write_context", lambda *_arguments: None)
    docker = FakeDocker(threading.Barrier(together), fails="beta")
    missing = [inputs(name) for name in ("alpha", "beta", "capital")]
    built, failed = builder(docker, tmp_path).build(missing, parallel=parallel, on_state=lambda *_state: None)
    assert docker.most == together
    assert [each.name for each in built] == ["alpha", "capital"]
    assert failed == {"beta": "it does not compile"}


# --- the branch that a preview environment left -----------------------------------------------------------


@dataclass
class Branches:
    """``main`` and ``next``; HEAD left both."""

    repository: Repository
    trees: dict[str, str]


@pytest.fixture
def branches(tmp_path: Path) -> Branches:
    git = pygit2.init_repository(str(tmp_path), initial_head="main")
    trees = {}

    def commit(name: str) -> None:
        (tmp_path / "file").write_text(name)
        commit_all(git, name)
        trees[name] = str(git.head.peel(pygit2.Commit).tree_id)

    def branch(name: str) -> None:
        git.branches.local.create(name, git.head.peel(pygit2.Commit))
        git.checkout(f"refs/heads/{name}")

    commit("where next left main")
    branch("next")
    commit("where HEAD left next")
    branch("feature")
    commit("on the feature")
    for name in ("main", "next"):
        git.checkout(f"refs/heads/{name}")
        commit(f"{name} goes on")
    git.checkout("refs/heads/feature")
    repository = Repository.find(tmp_path)
    assert repository is not None
    return Branches(repository, trees)


def test_the_default_base_is_main(branches: Branches) -> None:
    assert _branched_from(branches.repository, None) == branches.trees["where next left main"]


@pytest.mark.parametrize("base", ["next", "refs/heads/next", "next~0"])
def test_base_names_another_branch(branches: Branches, base: str) -> None:
    assert _branched_from(branches.repository, base) == branches.trees["where HEAD left next"]


def test_an_unknown_base_is_rejected(branches: Branches) -> None:
    with pytest.raises(OpsError, match="nowhere is not a commit in") as refused:
        _branched_from(branches.repository, "nowhere")
    assert refused.value.code is ExitCode.USAGE
