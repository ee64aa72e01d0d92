"""`snu hotfix build` on a Docker engine."""

from __future__ import annotations

import pygit2
import pytest

from infra.images.working_copy import WorkingCopy
from tests.lab.promotion import APPS, Stages, prepared, stages
from tests.support.docker import Engine

__all__ = ["prepared", "stages"]
pytestmark = pytest.mark.xdist_group("docker")


def test_only_the_changed_app_is_built_and_lands_in_stage(stages: Stages, docker_engine: Engine) -> None:
    stages.release("stage", "ci")
    production = stages.release("production", "stage")
    stages.git.branches.local.create("production_hotfix", stages.git.head.peel(pygit2.Commit))
    stages.git.checkout("refs/heads/production_hotfix")
    stages.write("code/api/Dockerfile", "FROM scratch\nARG VERSION\nCOPY api /srv\n")
    stages.commit("Fix it")
    run = stages.ok("hotfix", "build", "--commit", DOCKER_HOST=docker_engine.host)
    assert {line for line in run.stdout.splitlines() if line.endswith("building")} == {"api: building"}
    version = WorkingCopy(stages.folder).inputs("api").version
    assert version in stages.tag_names("snu-stage")
    assert version not in stages.tag_names("snu-production")
    named = stages.config("stage")["snu:images"]
    (held,) = [tag["digest"] for tag in stages.tags("snu-stage")["api"] if tag["name"] == version]
    assert named["api"] == {"version": version, "digest": held}
    assert named["admin"]["digest"] == production.images["admin"].digest
    assert {*named} > {*APPS}
    # Once more, without Docker: all is there.
    again = stages.ok("hotfix", "build", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert "Nothing to write" in again.stdout
