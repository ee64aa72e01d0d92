"""Release commands as real processes, on a local Scaleway with Docker."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.runtime.engine_choice import owner_of
from ops.exit_codes import ExitCode
from tests.lab.configuration import keep_apps
from tests.lab.lab import Lab, Run
from tests.lab.release_commands import enable, runs
from tests.support.base_images import HTTPD_TAG, build, httpd_image
from tests.support.docker import Engine
from tests.support.local_scaleway import HTTP
from tests.support.site import push

pytestmark = pytest.mark.xdist_group("docker-flows")

HOST = {"Host": "api.local.snu.localhost"}
_MIGRATIONS = {
    "first": 'echo "created the table for ${#MONGO_URL} characters"',
    "broken": "echo adds a column; echo the column exists already >&2; exit 3",
    "fixed": "echo the column exists already, which is fine",
}


@pytest.fixture
def lab(lab: Lab, docker_engine: Engine) -> Iterator[Lab]:
    """The foundation is up and has a key; the only app of the stack local, which does not exist yet, has a command."""
    httpd_image(docker_engine)
    lab.project.stop_cloud()
    lab.project.start_cloud(runtime="docker", docker_host=docker_engine.host)
    lab.project.change("local", _only_the_api)
    enable(lab)
    yield lab
    lab.project.stop_cloud()


def _only_the_api(config: dict[str, Any]) -> None:
    api = config["snu:apps"]["api"]
    for name in ("versionPath", "livenessProbe", "documentVariables", "secretVariables", "variables"):
        api.pop(name, None)
    api["port"] = 8080
    api["startupProbe"] = {"path": "/version", "interval": 1}
    command = ["/bin/sh", "/migrate.sh"]
    release = {"command": command, "timeout": 60, "documentVariables": ["MONGO_URL"]}
    keep_apps(config, {"api": {**api, "cpu": 256, "memory": 512, "release": release}})


def _run_version(lab: Lab, engine: Engine, version: str) -> Run:
    """Update to an image with this version's migration."""
    dockerfile = f"FROM {HTTPD_TAG}\nCOPY migrate.sh /migrate.sh\nCOPY version /srv/version\n"
    files = {"migrate.sh": _MIGRATIONS[version], "version": version}
    tag = build(engine, dockerfile, files, f"snu-test/migration:{version}")
    digest = push(lab.project.client, engine, tag, "snu-local/api").rpartition("@")[2]
    lab.project.change("local", lambda config: config["snu:images"]["api"].update(version=version, digest=digest))
    return lab.up("local", "--wait", "60")


def _served(lab: Lab) -> str:
    answer = HTTP.get(f"{lab.project.api_url}/version", headers=HOST, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.text


def _containers(lab: Lab, engine: Engine) -> set[str]:
    """Those that serve the api, on the engine."""
    label = f"localcloud.owner={owner_of(lab.project.directory / '.local/scaleway')}"
    running = engine.client.containers.list(filters={"label": label})
    names = {str(each.id): each.name or "" for each in running}
    return {id_ for id_, name in names.items() if "-local-api-" in name and "release" not in name}


def _log(lab: Lab, printed: str) -> str:
    """What the command that an update has named shows of a run's log."""
    (command,) = set(re.findall(r"To show its log: scripts/snu (logs \S+ --stack \S+ --instance \S+)", printed))
    shown = lab.project.snu(*shlex.split(command))
    assert shown.returncode == ExitCode.OK, shown.stderr
    return shown.stdout


def test_a_command_that_fails_by_itself_leaves_what_runs_and_a_fixed_one_replaces_it(
    lab: Lab, docker_engine: Engine
) -> None:
    first = _run_version(lab, docker_engine, "first")
    assert first.returncode == ExitCode.OK, first.stdout + first.stderr
    assert "the release command of api has succeeded" in first.stdout
    assert re.search(r"created the table for [1-9]\d* characters", _log(lab, first.stdout))
    assert _served(lab) == "first"
    before = _containers(lab, docker_engine)
    assert len(before) == 1

    broken = _run_version(lab, docker_engine, "broken")
    text = broken.stdout + broken.stderr
    assert broken.returncode == ExitCode.FAILED, text
    assert "the release command of api failed: exited with error: exit code 3: it exited with status 3" in text
    assert "The container was not changed." in text
    assert "failed to update api-container" in text
    (shown,) = re.findall(
        r"^The last lines of api-release \(run [0-9a-f]+\):\n((?: {4}.*\n)*)", broken.stderr, re.MULTILINE
    )
    assert {*shown.split("\n")} == {"    adds a column", "    the column exists already", ""}
    assert "the column exists already" in (log := _log(lab, text))
    assert "adds a column" in log
    assert _served(lab) == "first"
    assert _containers(lab, docker_engine) == before

    fixed = _run_version(lab, docker_engine, "fixed")
    assert fixed.returncode == ExitCode.OK, fixed.stdout + fixed.stderr
    assert "which is fine" in _log(lab, fixed.stdout)
    assert _served(lab) == "fixed"
    assert not _containers(lab, docker_engine) & before
    assert [(each["state"], each["exit_code"]) for each in reversed(runs(lab))] == [
        ("succeeded", 0),
        ("failed", 3),
        ("succeeded", 0),
    ]
