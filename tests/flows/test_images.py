"""`snu images` and `snu images build` on a Docker engine, the embedded engine and the local registry."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pygit2
import pytest

from ops.exit_codes import ExitCode
from tests.lab.workshop import APPS, Workshop, states, workshop
from tests.support.base_images import node_image
from tests.support.environment import clean_environment
from tests.support.seed import OWNER_SECRET_KEY

__all__ = ["workshop"]
pytestmark = pytest.mark.xdist_group("docker-flows")


def test_only_what_is_missing_is_built_and_only_what_changed_is_deployed(workshop: Workshop) -> None:
    first = workshop.build()
    assert states(first) >= {f"{name}: {state}" for name in APPS for state in ("building", "pushing", "done")}
    workshop.lab.up_ok("local")
    assert workshop.build(docker=False).stdout.count("in the registry, already running") == 3

    before = workshop.built()
    workshop.write("code/api/main.js", "// api, changed\n")
    second = workshop.build()
    assert {line for line in states(second) if line.endswith("building")} == {"api: building"}
    after = workshop.built()
    assert {name for name in APPS if after[name] != before[name]} == {"api"}

    preview = json.loads(workshop.snu("preview", "local", "--json").stdout)
    changed = {step["urn"].rpartition("::")[2] for step in preview["steps"] if step["op"] == "update"}
    assert changed == {"api-container", "tasks-container"}


def test_the_committed_content_is_built_under_its_version(workshop: Workshop) -> None:
    workshop.write("code/.gitignore", "secret\n")
    commit = workshop.commit()
    workshop.write("code/api/secret", "not for images")
    workshop.build()
    api = workshop.built()["api"]
    repository = f"127.0.0.1:{workshop.lab.project.port}/snu-local/api"
    login = {"username": "nologin", "password": OWNER_SECRET_KEY}
    image = workshop.engine.client.images.pull(repository, tag=api["version"], auth_config=login)
    assert f"{repository}@{api['digest']}" in image.attrs["RepoDigests"]
    assert image.labels["org.opencontainers.image.version"] == api["version"]
    assert image.labels["org.opencontainers.image.revision"] == commit
    assert f"VERSION={api['version']}" in image.attrs["Config"]["Env"]
    container: Any = workshop.engine.client.containers.create(image, command=["/none"])
    listed = subprocess.run(["tar", "-t"], input=b"".join(container.export()), capture_output=True, check=True)
    container.remove()
    assert {line for line in str(listed.stdout, "utf-8").split() if line.startswith("srv/")} >= {"srv/main.js"}
    assert b"srv/secret" not in listed.stdout


def test_a_failed_build_names_the_app_and_leaves_the_others(workshop: Workshop) -> None:
    dockerfile = workshop.folder / "code/app/Dockerfile"
    whole = dockerfile.read_text()
    dockerfile.write_text(whole + 'RUN ["/no-such-program"]\n')
    run = workshop.snu("images", "build", "local")
    assert run.returncode == ExitCode.FAILED
    assert "1 image was not built:\n  app: docker build failed with status" in run.stderr
    assert "no-such-program" in run.stderr
    assert "The configuration of local was not changed" in run.stderr
    assert workshop.built() == {}
    assert states(run) >= {"admin: done", "api: done", "app: failed"}

    dockerfile.write_text(whole)
    assert {line for line in states(workshop.build()) if line.endswith("building")} == {"app: building"}


def test_a_cancelled_build_changes_nothing(workshop: Workshop) -> None:
    dockerfile = workshop.folder / "code/app/Dockerfile"
    base = node_image(workshop.engine)
    dockerfile.write_text(f"FROM {base}\nRUN sleep 60\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "images", "build", "local", "-C", str(workshop.folder)],
        env=clean_environment(DOCKER_HOST=workshop.engine.host),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "app: building\n":
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == ExitCode.CANCELLED
    assert errors.startswith("error: Cancelled. The configuration of local was not changed.")
    assert workshop.built() == {}


def test_without_docker_it_says_what_to_do(workshop: Workshop) -> None:
    run = workshop.snu("images", "build", "local", docker=False)
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "Start Docker" in run.stderr
    assert "Traceback" not in run.stderr
    assert workshop.built() == {}


def test_promoted_stacks_never_build(workshop: Workshop) -> None:
    for stack, source in (("stage", "ci"), ("production", "stage")):
        run = workshop.snu("images", "build", stack)
        assert run.returncode == ExitCode.USAGE
        assert f"{stack} does not build images: they are promoted from {source}" in run.stderr


def test_the_list_shows_running_versions_and_changes_since(workshop: Workshop) -> None:
    workshop.build()
    workshop.lab.up_ok("local")
    old = workshop.built()["api"]["version"]
    workshop.write("code/api/main.js", "// api 2\n")
    first = workshop.commit("Mend api")
    workshop.write("README.md", "hello")
    workshop.commit("Say hello")
    workshop.write("code/api/Dockerfile", (workshop.folder / "code/api/Dockerfile").read_text() + "USER 1\n")
    second = workshop.commit("Run as somebody")

    images = workshop.images()
    local = images["api"]["environments"]["local"]
    assert local["version"] == old
    assert local["versionSource"] == "state"
    assert local["inRegistry"] is False
    assert [change["commit"] for change in local["changes"]] == [second, first]
    assert local["changes"][0]["paths"] == ["api"]
    assert images["admin"]["environments"]["local"]["changes"] == []
    assert images["admin"]["environments"]["local"]["inRegistry"] is True
    assert images["api"]["environments"]["production"]["versionSource"] == "file"

    shown = workshop.snu("images").stdout
    assert f"local       runs {old[:12]}, 2 changes since; this version is not in the registry" in shown
    assert "Run as somebody  (api)" in shown


def test_a_preview_builds_what_its_branch_changed_and_takes_the_rest_from_its_parent(workshop: Workshop) -> None:
    """Even if main has new commits that are not built yet."""
    workshop.build()
    workshop.lab.up_ok("local")
    running = workshop.built()
    workshop.write("code/app/main.js", "// app, newer\n")
    workshop.commit("main goes on")
    workshop.git.branches.local.create("feature", workshop.git.head.peel(pygit2.Commit))
    workshop.git.checkout("refs/heads/feature")
    workshop.write("code/api/main.js", "// api of the feature\n")
    workshop.commit("feature")
    workshop.add_preview("pr-7")

    run = workshop.build("pr-7")
    assert {line for line in states(run) if line.endswith("building")} == {"api: building"}
    built = workshop.built("pr-7")
    assert built["admin"] == running["admin"]
    assert built["app"] == running["app"]
    assert built["api"] != running["api"]
    assert "unchanged by this branch" in run.stdout
    # As soon as main's own state is built, the branch takes that.
    workshop.git.checkout("refs/heads/main")
    workshop.build()
    workshop.git.checkout("refs/heads/feature")
    workshop.build("pr-7", docker=False)
    assert workshop.built("pr-7")["app"] == workshop.built()["app"] != running["app"]


def test_errors_name_their_source(workshop: Workshop) -> None:
    (workshop.folder / "code/api/Dockerfile").unlink()
    run = workshop.snu("images", "build", "local")
    assert run.returncode == ExitCode.SETTINGS
    assert "api: api/Dockerfile is missing or gitignored" in run.stderr
    workshop.write("images.yaml", "images: {api: {folder: ..}}")
    run = workshop.snu("images")
    assert run.returncode == ExitCode.SETTINGS
    assert "images.api.folder: found `..`" in run.stderr
