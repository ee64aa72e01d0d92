"""Selection of the release before the current one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.settings import Image
from ops.errors import OpsError
from ops.images.stack_images import StackImages
from ops.releases import rollback
from ops.releases.committed_file import CommittedFile
from ops.releases.release import Release
from ops.releases.tags import Releases
from tests.lab.repository import commit_all
from tests.ops.test_releases import CONTENT, DAY
from tests.support.stack_yaml import stack_yaml


class Story:
    """A stack file in Git, with a release at each commit."""

    def __init__(self, folder: Path) -> None:
        self.git = pygit2.init_repository(str(folder), initial_head="main")
        self.file = folder / "Pulumi.stage.yaml"

    def release(self, version: str, variable: str = "1") -> Release:
        apps = {"api": {"variables": {"A": variable}}}
        self.file.write_text(stack_yaml({"config": {"snu:apps": apps, "snu:images": {"api": version}}}))
        images = {"api": Image(version=version, digest=f"sha256:{version[0] * 64}")}
        commit = commit_all(self.git, version)
        return Releases.of(self.file.parent).record("stage", DAY, commit, **{**CONTENT, "images": images})

    def back(self) -> Release:
        environment = cast(StackImages, type("Fake", (), {"stack": type("Stack", (), {"name": "stage"})}))
        releases = Releases.of(self.file.parent).all("stage")
        return rollback.release_before(environment, CommittedFile(self.file), releases)


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(rollback, "_runs", lambda *_: True)
    return Story(tmp_path)


def test_the_newest_release_after_a_failed_deployment(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.release("a")
    newest = story.release("b")
    monkeypatch.setattr(rollback, "_runs", lambda *_: False)
    assert story.back() == newest


def test_identical_releases_are_skipped(story: Story) -> None:
    first = story.release("a")
    story.release("b")
    story.release("b")
    assert story.back() == first


def test_other_variables_make_another_release(story: Story) -> None:
    story.release("a")
    second = story.release("b", "1")
    story.release("b", "2")
    assert story.back() == second


def test_nothing_precedes_the_first_release(story: Story) -> None:
    story.release("a")
    story.release("b")
    story.release("a")
    with pytest.raises(OpsError, match=r"runs stage/2026-11-26\.3 and has no earlier release to roll back to"):
        story.back()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=7))
def test_repeated_rollbacks_end_at_the_first_release(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, versions: list[str]
) -> None:
    monkeypatch.setattr(rollback, "_runs", lambda *_: True)
    story = Story(tmp_path_factory.mktemp("story"))
    running = [story.release(version) for version in versions][-1]
    seen = [running.images]
    while True:
        try:
            running = story.back()
        except OpsError:
            break
        assert running.images not in seen
        seen.append(running.images)
        story.release(running.images["api"].version)
    assert seen[-1]["api"].version == versions[0]


def test_an_invalid_file_has_no_variables(story: Story) -> None:
    committed: Any
    story.release("a")
    story.file.write_text("[1, 2]\n")
    commit = commit_all(story.git, "no mapping")
    committed = CommittedFile(story.file)
    found = Releases.of(Path(story.git.workdir)).record("stage", DAY, commit, **CONTENT)
    assert rollback._config(committed, found) is None
