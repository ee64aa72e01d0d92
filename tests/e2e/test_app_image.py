"""The stack `dev`, whose images Pulumi builds: the real CLI, Docker's real plugin and engine, the local registry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygit2
import pytest
import yaml

from ops.exit_codes import ExitCode
from tests.lab.lab import Lab
from tests.lab.project import Project, copy_project
from tests.lab.repository import commit_all
from tests.support.base_images import runtime_image
from tests.support.docker import Engine
from tests.support.programs import needs
from tests.support.pulumi_cli import Cli, Run, needs_pulumi
from tests.support.seed import OWNER_SECRET_KEY

pytestmark = [
    needs_pulumi,
    needs("pulumi-resource-docker"),
    pytest.mark.xdist_group("docker"),
]

FOUNDATION, STACK = "foundation-local", "dev"
IMAGES = ("admin", "api", "app")
APPS = (*IMAGES, "tasks")
"""`tasks` runs the image of `api`."""
IMAGE = "docker:index/image:Image"
ENCRYPTED = "4dabf18193072939515e22adb298388d"
"""Pulumi's mark of an encrypted value in a state."""
NO_ENGINE = "unix:///nowhere/docker.sock"


@dataclass
class Site:
    """The foundation is up, and the repository has the sources of the three images that `dev` runs."""

    project: Project
    engine: Engine
    home: Path
    base: str
    said: list[str] = field(default_factory=list)
    """All that the commands have written so far."""

    @property
    def lab(self) -> Lab:
        return Lab(self.project)

    def cli(self, docker_host: str = "", directory: Path | None = None) -> Cli:
        """The CLI of a user who is not logged in to any registry."""
        (self.home / "docker").mkdir(exist_ok=True)
        return Cli(
            directory or self.project.directory,
            self.home,
            self.project.backend_url,
            DOCKER_HOST=docker_host or self.engine.host,
            DOCKER_CONFIG=str(self.home / "docker"),
        )

    def heard(self, run: Run) -> Run:
        """The run, which must have succeeded."""
        self.said.append(run.text)
        assert run.ok, run.text
        return run

    def up(self) -> Run:
        return self.heard(self.cli().up(STACK))

    def changed(self, run: Run | None = None) -> dict[str, str]:
        """What a preview, or another run, changes: the operation by the resource's name."""
        found = run or self.heard(self.cli().preview(STACK, "--diff"))
        return {step.urn.rpartition("::")[2]: step.op for step in found.changed}

    def outputs(self) -> dict[str, Any]:
        return self.cli().outputs(STACK)

    def write(self, path: str, text: str) -> None:
        file = self.project.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def pushed(self) -> dict[str, dict[str, str]]:
        """The digest of each tag in the registry, by the image's name."""
        images = "/registry/v1/regions/fr-par/images"
        return {
            image["name"]: {
                tag["name"]: tag["digest"] for tag in self.lab.ask("GET", f"{images}/{image['id']}/tags")["tags"]
            }
            for image in self.lab.ask("GET", images)["images"]
        }

    def running(self) -> dict[str, str]:
        """The image that each container names, by the app's name."""
        return {
            container["name"].removeprefix(f"{STACK}-"): container["image"]
            for container in self.lab.resources("containers.container")
        }

    @property
    def state(self) -> Path:
        return self.project.directory / f".local/state/.pulumi/stacks/snu/{STACK}.json"


@pytest.fixture(scope="module")
def built(docker_engine: Engine, pulumi_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = copy_project(tmp_path_factory.mktemp("images") / "project")
    site = Site(project, docker_engine, pulumi_home, runtime_image(docker_engine))
    site.write(
        "images.yaml", yaml.safe_dump({"workspace": "code", "images": {n: {"folder": f"code/{n}"} for n in IMAGES}})
    )
    site.write(".gitignore", ".venv\n.local\n__pycache__/\n")
    for name in IMAGES:
        dockerfile = f"FROM {site.base}\nARG VERSION\nENV VERSION=$VERSION\nCOPY {name} /srv\n"
        site.write(f"code/{name}/Dockerfile", dockerfile)
        site.write(f"code/{name}/main.js", f"// {name}\n")
    commit_all(pygit2.init_repository(str(project.directory), initial_head="main"), "three apps")
    Path(project.backend_url.removeprefix("file://")).mkdir(parents=True)
    project.start_cloud()
    try:
        cli = site.cli()
        for name in (FOUNDATION, STACK):
            cli.init(name)
        site.heard(cli.up(FOUNDATION))
        yield site
    finally:
        project.stop_cloud()


@pytest.fixture
def site(built: Site) -> Site:
    """Everything is up, whatever a test before has left."""
    if not built.running():
        assert set(built.changed().values()) == {"create"}
        built.up()
    return built


def test_containers_name_what_was_pushed_under_its_version(site: Site) -> None:
    images = site.outputs()["images"]
    assert set(images) == set(IMAGES)
    assert set(site.running()) == set(APPS)
    pushed, running = site.pushed(), site.running()
    for name, image in images.items():
        assert pushed[name][image["version"]] == image["digest"]
        assert running[name].endswith(f"/{name}@{image['digest']}")
    assert running["tasks"] == running["api"]
    login = {"username": "nologin", "password": OWNER_SECRET_KEY}
    api = site.engine.client.images.pull(running["api"], auth_config=login)
    assert f"VERSION={images['api']['version']}" in api.attrs["Config"]["Env"]


def test_nothing_changes_where_no_app_has_changed(site: Site, tmp_path: Path) -> None:
    site.write("docs/about.md", "more to read\n")
    assert site.changed() == {}
    refreshed = site.heard(site.cli().refresh(STACK))
    assert set(refreshed.changes) == {"same"}
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(site.project.directory, elsewhere, symlinks=True, ignore=shutil.ignore_patterns(".local"))
    assert site.changed(site.heard(site.cli(directory=elsewhere).preview(STACK))) == {}


def test_only_the_app_that_has_changed_is_built_and_deployed(site: Site) -> None:
    before = site.outputs()["images"]
    site.write("code/api/main.js", f"// not {before['api']['version']}\n")
    expected = dict.fromkeys(("api-image", "api-container", "tasks-container"), "update")
    assert site.changed() == expected
    assert site.changed(site.up()) == expected
    after = site.outputs()["images"]
    assert {name for name in IMAGES if after[name] != before[name]} == {"api"}
    assert site.running()["tasks"].endswith(after["api"]["digest"])
    assert site.changed() == {}


def test_the_key_of_the_registry_is_shown_to_nobody(site: Site) -> None:
    checkpoint = site.state.read_text()
    found = json.loads(checkpoint)["checkpoint"]["latest"]["resources"]
    images = [resource for resource in found if resource["type"] == IMAGE]
    assert len(images) == len(IMAGES)
    for image in images:
        assert ENCRYPTED in image["inputs"]["registry"]["password"]
        assert ENCRYPTED in image["outputs"]["__inputs"]
    site.changed()
    for text in (checkpoint, *site.said):
        assert OWNER_SECRET_KEY not in text


def test_a_build_that_fails_is_told_and_leaves_what_runs(site: Site) -> None:
    running, dockerfile = site.running(), site.project.directory / "code/app/Dockerfile"
    whole = dockerfile.read_text()
    dockerfile.write_text(f'{whole}RUN ["/no-such-program"]\n')
    try:
        failed = site.cli().up(STACK)
        assert not failed.ok
        assert any("no-such-program" in message for message in failed.diagnostics("error"))
        by_command = site.project.snu(
            *("up", STACK, "--engine", "pulumi", "--yes", "--skip-preview"),
            PULUMI_HOME=str(site.home),
            DOCKER_HOST=site.engine.host,
        )
        assert by_command.returncode == ExitCode.FAILED
        told = by_command.stdout + by_command.stderr
        assert "error: app-image: error reading build output: " in told
        assert "Docker's last output:" in told
        assert "Traceback" not in told
        assert OWNER_SECRET_KEY not in failed.text + told
        assert site.running() == running
    finally:
        dockerfile.write_text(whole)
    assert site.changed() == {}


def test_without_docker_builds_are_refused_and_everything_is_destroyed(site: Site) -> None:
    version = site.outputs()["images"]["app"]["version"]
    without = site.cli(NO_ENGINE)
    refused = without.preview(STACK)
    assert not refused.ok
    assert any("docker daemon" in message for message in refused.diagnostics("error"))
    site.heard(without.destroy(STACK))
    assert site.running() == {}
    assert version in site.pushed()["app"], "images stay in the registry"
