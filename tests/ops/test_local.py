"""The life of the local Scaleway's process."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from ops.exit_codes import ExitCode
from tests.lab.project import Project, copy_project


@pytest.fixture
def cloud(project: Project) -> Iterator[Project]:
    assert project.snu("local", "start", "--transitions", "0").returncode == ExitCode.OK
    yield project
    project.snu("local", "stop")


def pid_of(project: Project) -> int:
    return int((project.directory / ".local/scaleway.pid").read_text())


def kill(project: Project) -> None:
    os.kill(pid_of(project), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while project.cloud_answers():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_and_stop_can_be_repeated(project: Project) -> None:
    first = project.snu("local", "start", "--runtime", "off", "--transitions", "0")
    assert first.returncode == ExitCode.OK, first.stderr
    assert "started" in first.stdout
    pid = pid_of(project)
    again = project.snu("local", "start")
    assert (again.returncode, pid_of(project)) == (ExitCode.OK, pid)
    assert "already running" in again.stdout
    same = project.snu("local", "start", "--runtime", "off", "--transitions", "0s")
    assert (same.returncode, pid_of(project)) == (ExitCode.OK, pid)
    other = project.snu("local", "start", "--runtime", "docker", "--transitions", "7s")
    assert (other.returncode, pid_of(project)) == (ExitCode.LOCAL_CLOUD, pid)
    assert other.stderr.endswith("scripts/snu local stop && scripts/snu local start --runtime docker --transitions 7\n")
    status = project.snu("local", "status")
    assert status.returncode == ExitCode.OK
    assert f"process {pid}" in status.stdout
    assert project.snu("local", "stop").returncode == ExitCode.OK
    assert not project.cloud_answers()
    assert "is not running" in project.snu("local", "stop").stdout
    status = project.snu("local", "status")
    assert status.returncode == ExitCode.LOCAL_CLOUD
    assert "is not running" in status.stdout


def test_a_killed_one_starts_again_in_spite_of_its_pid_file(cloud: Project) -> None:
    pid = pid_of(cloud)
    kill(cloud)
    assert cloud.snu("local", "status").returncode == ExitCode.LOCAL_CLOUD
    assert cloud.snu("local", "start").returncode == ExitCode.OK
    assert pid_of(cloud) != pid


def test_a_pid_file_that_names_another_process_harms_nobody(project: Project) -> None:
    pid_file = project.directory / ".local/scaleway.pid"
    pid_file.parent.mkdir()
    pid_file.write_text(str(os.getpid()))
    stopped = project.snu("local", "stop")
    assert stopped.returncode == ExitCode.OK
    assert "is not running" in stopped.stdout
    assert not pid_file.exists()


def test_without_its_pid_file_it_is_still_known(cloud: Project) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system does not show the arguments of processes below /proc")
    (cloud.directory / ".local/scaleway.pid").unlink()
    assert "already running" in cloud.snu("local", "start").stdout
    assert cloud.snu("local", "stop").returncode == ExitCode.OK
    assert not cloud.cloud_answers()


def test_a_port_that_a_stranger_holds(project: Project) -> None:
    with HTTPServer("127.0.0.1", project.port):
        for command in (["local", "start"], ["local", "stop"], ["local", "status"], ["preview", "local"]):
            ended = project.snu(*command)
            assert ended.returncode == ExitCode.LOCAL_CLOUD
            assert f"Port {project.port} is in use by a program that is not a local Scaleway" in ended.stderr
            assert "Traceback" not in ended.stderr


def test_a_port_that_another_local_scaleway_holds(cloud: Project, tmp_path: Path) -> None:
    other = copy_project(tmp_path / "other")
    for path in other.directory.glob("Pulumi.*local.yaml"):
        path.write_text(path.read_text().replace(f":{other.port}", f":{cloud.port}"))
    for command in (["local", "stop"], ["local", "reset", "--yes"], ["preview", "local"]):
        ended = other.snu(*command)
        assert ended.returncode == ExitCode.LOCAL_CLOUD
        assert f"another local Scaleway, process {pid_of(cloud)}" in ended.stderr
        assert "scripts/snu local start" in ended.stderr
    assert cloud.cloud_answers()


def test_one_that_cannot_start_says_why(project: Project) -> None:
    (project.directory / ".local").mkdir()
    (project.directory / ".local/scaleway").write_text("a file where the folder should be")
    ended = project.snu("local", "start")
    assert ended.returncode == ExitCode.LOCAL_CLOUD
    assert "Traceback" not in ended.stderr
    assert "scaleway" in ended.stderr


def test_env_points_other_clients_at_it(project: Project) -> None:
    lines = project.snu("local", "env").stdout.splitlines()
    assert all(line.startswith("export ") for line in lines)
    found = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert found["SCW_API_URL"] == f"http://127.0.0.1:{project.port}"
    assert found["PULUMI_BACKEND_URL"] == project.backend_url
    assert found["PULUMI_CONFIG_PASSPHRASE"]
    assert {"SCW_ACCESS_KEY", "SCW_SECRET_KEY", "SCW_DEFAULT_REGION", "SCW_DEFAULT_PROJECT_ID"} <= found.keys()


def test_env_replaces_the_backend_of_another_checkout(project: Project, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    for given, expected in (
        (f"file://{tmp_path}/.local/state", project.backend_url),
        ("file:///elsewhere", "file:///elsewhere"),
    ):
        exported = project.snu("local", "env", PULUMI_BACKEND_URL=given).stdout
        assert f"export PULUMI_BACKEND_URL={expected}\n" in exported


def test_reset_empties_it_and_forgets_the_state(cloud: Project) -> None:
    state = cloud.directory / ".local/state/.pulumi"
    state.mkdir(parents=True)
    refused = cloud.snu("local", "reset")
    assert refused.returncode == ExitCode.USAGE
    assert "--yes" in refused.stderr
    assert state.exists()
    done = cloud.snu("local", "reset", "--yes")
    assert done.returncode == ExitCode.OK, done.stderr
    assert not state.exists()
    assert state.parent.exists()
    with urllib.request.urlopen(f"{cloud.api_url}/_local/resources?seed=false") as answer:
        assert answer.read() == b"{}"


def test_reset_forgets_its_own_state_despite_the_backend_of_another_checkout(project: Project, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    states = [folder / ".local/state/.pulumi" for folder in (project.directory, tmp_path)]
    for state in states:
        state.mkdir(parents=True)
    assert project.snu("local", "reset", "--yes", PULUMI_BACKEND_URL=f"file://{tmp_path}/.local/state").returncode == 0
    assert [state.exists() for state in states] == [False, True]


def test_reset_leaves_a_backend_of_the_users_alone(cloud: Project) -> None:
    done = cloud.snu("local", "reset", "--yes", PULUMI_BACKEND_URL="file:///elsewhere")
    assert "Kept the state in" in done.stdout


def test_logs_are_shown(cloud: Project) -> None:
    assert cloud.snu("local", "logs", "--lines", "5").returncode == ExitCode.OK


def test_no_log_is_said_so(project: Project) -> None:
    ended = project.snu("local", "logs")
    assert ended.returncode == ExitCode.LOCAL_CLOUD
    assert "no log yet" in ended.stderr
