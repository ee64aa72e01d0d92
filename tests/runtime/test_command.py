"""``snu logs``, and ``snu local`` with a runtime."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ops.exit_codes import ExitCode
from tests.lab.project import Project, copy_project
from tests.support.docker import Engine
from tests.support.environment import clean_environment
from tests.support.local_scaleway import Client
from tests.support.site import CockpitLogs, Deployed, Site, eventually

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 1-1-1 stdout it listens")


def access(api: Client) -> dict[str, str]:
    """Variables for reading logs without a foundation."""
    logs = CockpitLogs.of(api)
    return {"SNU_LOGS_URL": logs.url, "SNU_LOGS_TOKEN": logs.token}


def test_logs_of_a_real_stack_need_a_key(project: Project) -> None:
    ended = project.snu("logs", "api", "--stack", "production")
    assert ended.returncode == ExitCode.ENVIRONMENT
    assert ended.stderr == "error: production: no Scaleway API key. Set SCW_ACCESS_KEY and SCW_SECRET_KEY.\n"


def test_a_foundation_has_no_apps(project: Project) -> None:
    ended = project.snu("logs", "api", "--stack", "foundation-local")
    assert ended.returncode == ExitCode.USAGE
    assert "is a foundation, which has no apps" in ended.stderr


def test_logs_need_a_running_local_scaleway_the_foundation_and_the_container(project: Project) -> None:
    ended = project.snu("logs", "api")
    assert ended.returncode == ExitCode.LOCAL_CLOUD
    assert "snu local start" in ended.stderr
    project.start_cloud()
    ended = project.snu("logs", "api")
    assert ended.returncode == ExitCode.ENVIRONMENT
    assert "secret snu-local-logs, which does not exist" in ended.stderr
    assert "scripts/snu up foundation-local" in ended.stderr
    ended = project.snu("logs", "api", **access(project.client))
    assert ended.returncode == ExitCode.FAILED
    assert "The container local-api does not exist" in ended.stderr
    assert "snu up local" in ended.stderr


def test_without_a_runtime_there_are_added_lines_and_the_status_says_why(project: Project) -> None:
    started = project.snu("local", "start", "--runtime", "off", "--transitions", "0")
    assert "No container processes are running: the local Scaleway was started with --runtime off." in started.stdout
    assert "--runtime off" in project.snu("local", "status").stdout
    api = project.client
    namespace = api.create("/containers/v1/regions/fr-par/namespaces", name="n")
    container = api.create(
        "/containers/v1/regions/fr-par/containers", namespace_id=namespace["id"], name="local-api", image="registry/x:1"
    )
    ended = project.snu("logs", "api", **access(api))
    assert (ended.returncode, ended.stdout) == (ExitCode.OK, "")
    assert ended.stderr == "No lines found.\n"
    api("POST", f"/_local/containers/{container['id']}/logs", {"lines": [{"text": "as if it ran"}]})
    assert project.snu("logs", "api", **access(api)).stdout.endswith("added stderr as if it ran\n")


def test_the_last_run_of_a_job_is_printed(project: Project) -> None:
    job = "  snu:jobs:\n    nightly:\n      image: api\n      cpu: 140\n      memory: 256\n      timeout: 60\n"
    project.edit("local", "encryptionsalt:", f"{job}encryptionsalt:")
    project.start_cloud()
    api, given = project.client, access(project.client)
    ended = project.snu("logs", "nightly", **given)
    assert ended.returncode == ExitCode.FAILED
    assert "The job local-nightly does not exist" in ended.stderr
    jobs = "/serverless-jobs/v1alpha2/regions/fr-par/job-definitions"
    body = {"image_uri": "registry/nightly:1", "cpu_limit": 140, "memory_limit": 256}
    definition = api.create(jobs, name="local-nightly", **body)
    other = api.create(jobs, name="other", **body)
    assert "The job nightly has not run yet" in project.snu("logs", "nightly", **given).stderr
    runs = [
        api("POST", f"{jobs}/{id}/start", {})["job_runs"][0]["id"]
        for id in (definition["id"], definition["id"], other["id"])
    ]
    for number, run in enumerate(runs):
        api("POST", f"/_local/job-runs/{run}/logs", {"lines": [{"text": f"run {number}"}]})
    ended = project.snu("logs", "nightly", **given)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert ended.stdout.splitlines()[0].endswith(f"{runs[1]} stderr run 1")
    assert len(ended.stdout.splitlines()) == 1
    assert len(project.snu("logs", "nightly", "--since", "5m", **given).stdout.splitlines()) == 2
    assert "run 0" in project.snu("logs", "nightly", "--instance", runs[0], **given).stdout


def test_requiring_docker_without_docker_fails(project: Project) -> None:
    ended = project.snu("local", "start", "--runtime", "docker", DOCKER_HOST="unix:///nowhere.sock")
    assert ended.returncode == ExitCode.LOCAL_CLOUD
    assert "no Docker engine responds at unix:///nowhere.sock" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def running(
    docker_engine: Engine, tiny_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Site]]:
    """A project with a running local Scaleway and the container of the app api."""
    project = copy_project(tmp_path_factory.mktemp("command") / "project")
    started = project.snu("local", "start", "--transitions", "0", **docker_engine.environ)
    assert started.returncode == ExitCode.OK, started.stderr
    yield (
        project,
        Site(project.client, docker_engine, tiny_image),
    )
    project.snu("local", "stop", **docker_engine.environ)


@pytest.fixture
def api(running: tuple[Project, Site]) -> Iterator[tuple[Project, Site, Deployed]]:
    project, site = running
    container = site.deploy("local-api")
    eventually(lambda: "it listens" in container.texts(), "it has a log")
    yield project, site, container
    if site.api("GET", "/_local/health")["resources"].get("containers.container"):
        site.api("DELETE", container.path)


@pytest.mark.xdist_group("docker")
def test_the_lines_of_an_app_are_printed(api: tuple[Project, Site, Deployed]) -> None:
    project, site, _ = api
    ended = project.snu("logs", "api", **access(site.api))
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert LINE.fullmatch(ended.stdout.strip())
    assert project.snu("logs", "api", "--lines", "0", **access(site.api)).stdout == ""
    assert f"run on the Docker engine at {site.engine.host}" in project.snu("local", "status").stdout


@pytest.mark.xdist_group("docker")
def test_ctrl_c_ends_following(api: tuple[Project, Site, Deployed]) -> None:
    project, site, container = api
    following = subprocess.Popen(
        [sys.executable, "-m", "ops", "logs", "api", "--follow", "-C", str(project.directory)],
        env=clean_environment(**access(site.api)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    assert LINE.fullmatch(following.stdout.readline().strip())
    container.get("/say?text=hello")
    assert following.stdout.readline().strip().endswith("stdout hello")
    following.send_signal(signal.SIGINT)
    _, output = following.communicate(timeout=30)
    assert following.returncode == ExitCode.CANCELLED
    assert output == "Interrupted.\n"


@pytest.mark.parametrize("command", [("stop",), ("reset", "--yes")])
@pytest.mark.xdist_group("docker")
def test_processes_of_a_killed_local_scaleway_are_removed(
    running: tuple[Project, Site], api: tuple[Project, Site, Deployed], command: tuple[str, ...]
) -> None:
    project, site, container = api
    os.kill(int((project.directory / ".local/scaleway.pid").read_text()), signal.SIGKILL)
    eventually(lambda: not project.cloud_answers(), "it is dead")
    assert len(site.processes(container)) == 1
    ended = project.snu("local", *command, **site.engine.environ)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert site.processes(container, stopped=True) == []
    project.snu("local", "start", "--transitions", "0", **site.engine.environ)
    if command[0] == "reset":
        site.furnish()
