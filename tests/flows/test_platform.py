"""The whole platform for real: the apps' own images, built for a stack and run behind the local Scaleway's router."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest
import yaml

from infra.settings.built import write_built
from localcloud.runtime.engine_choice import owner_of
from ops.exit_codes import ExitCode
from tests.lab.alerting import Alerting
from tests.lab.lab import Lab
from tests.lab.repository import commit_all
from tests.support.apps.workspace import Workspace
from tests.support.base_images import node_image, runtime_image
from tests.support.docker import Engine
from tests.support.environment import ROOT
from tests.support.local_scaleway import HTTP
from tests.support.slack import Slack

pytestmark = pytest.mark.xdist_group("docker-flows")

APPS = {"api": "api", "admin": "admin", "app": "moncompte"}
_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, docker_engine: Engine) -> Iterator[Lab]:
    lab = Lab.at(tmp_path_factory.mktemp("platform") / "project")
    folder = lab.project.directory
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(ROOT / "apps", folder / "apps", ignore=ignored)
    sources = yaml.safe_load((ROOT / "images.yaml").read_text())
    bases = {"NODE_IMAGE": node_image(docker_engine), "RUNTIME_IMAGE": runtime_image(docker_engine)}
    for image in sources["images"].values():
        image["arguments"] = bases
    (folder / "images.yaml").write_text(yaml.safe_dump({**sources, "network": "host"}))
    (folder / ".gitignore").write_text(".venv\n.local\n__pycache__/\n")
    commit_all(pygit2.init_repository(str(folder), initial_head="main"), "the platform")
    lab.project.start_cloud(runtime="docker", docker_host=docker_engine.host)
    try:
        lab.up_ok("foundation-local")
        yield lab
    finally:
        lab.project.stop_cloud()


def build(lab: Lab, engine: Engine) -> dict[str, dict[str, str]]:
    run = lab.project.snu("images", "build", "local", DOCKER_HOST=engine.host)
    assert run.returncode == 0, run.stdout + run.stderr
    found: dict[str, dict[str, str]] = yaml.safe_load((lab.project.directory / ".local/images/local.yaml").read_text())
    return found


def ask(lab: Lab, app: str, path: str) -> Any:
    host = f"{APPS[app]}.local.snu.localhost"
    return HTTP.get(lab.project.api_url + path, headers={"Host": host})


def started(lab: Lab, engine: Engine) -> dict[str, str]:
    """The lab's containers on the engine, by the app's name."""
    label = f"localcloud.owner={owner_of(lab.project.directory / '.local/scaleway')}"
    names = [container.name or "" for container in engine.client.containers.list(filters={"label": label})]
    return {app: name for app in APPS for name in names if f"-local-{app}-" in name}


def test_the_apps_are_built_deployed_changed_and_read(platform: Lab, docker_engine: Engine) -> None:
    built = build(platform, docker_engine)
    platform.up_ok("local", "--check-urls")
    for app in APPS:
        said = ask(platform, app, "/health/version").json()
        assert said == {"app": app, "version": built[app]["version"]}
    page = ask(platform, "admin", "/")
    assert f'"VITE_API_URL":"http://api.local.snu.localhost:{platform.project.port}"' in page.text
    before = started(platform, docker_engine)

    _write(platform.project.directory / "apps/api/src/routes.js", "// a comment\n")
    again = build(platform, docker_engine)
    assert {app for app in APPS if again[app] != built[app]} == {"api"}
    platform.up_ok("local", "--check-urls")
    assert ask(platform, "api", "/health/version").json()["version"] == again["api"]["version"]
    after = started(platform, docker_engine)
    assert {app for app in APPS if after[app] != before[app]} == {"api"}

    run = platform.project.snu("logs", "api")
    assert run.returncode == 0, run.stderr
    assert again["api"]["version"] in run.stdout


def test_a_deploy_of_another_version_than_it_says_fails(platform: Lab, docker_engine: Engine) -> None:
    """The digest decides what runs; somebody wrote another version beside it."""
    built = build(platform, docker_engine)
    write_built(platform.project.directory, "local", {**built, "api": {**built["api"], "version": "mistaken"}})
    run = platform.up("local", "--skip-preview", "--wait", "5")
    assert run.returncode == ExitCode.CONTAINERS
    assert f"reports version {built['api']['version']}, expected mistaken" in run.stderr
    assert '"event":"started"' in run.stderr
    build(platform, docker_engine)
    platform.up_ok("local")


def test_a_crash_is_restarted_logged_and_told_once(platform: Lab, docker_engine: Engine, tmp_path: Path) -> None:
    build(platform, docker_engine)
    platform.project.edit(
        "local", "        FOLDER_API: api\n", '        FOLDER_API: api\n        CRASH_ROUTE: "true"\n'
    )
    platform.up_ok("local", "--check-urls")
    with Slack() as slack:
        alerting = Alerting(platform, Workspace(tmp_path), slack, tmp_path)
        alerting.prepare()
        assert alerting.run_on_platform()["state"] == "succeeded"
        HTTP.post(
            f"{platform.project.api_url}/crash", headers={"Host": "api.local.snu.localhost"}, timeout=_PATIENCE_SECONDS
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while ask(platform, "api", "/health/version").status_code != 200:
            assert time.monotonic() < deadline, "the api did not come back"
            time.sleep(0.1)
        assert '"event":"crash"' in platform.project.snu("logs", "api").stdout
        for _ in range(2):
            run = alerting.run_on_platform()
            assert run["state"] == "succeeded", run
        (told,) = slack.texts
        assert "local: api ended with an error, once" in told
        assert "POST /crash was asked for" in told
        assert "routes.js" in told


def _write(path: Path, more: str) -> None:
    path.write_text(path.read_text() + more)
