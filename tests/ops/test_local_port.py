"""The port of the local Scaleway: several checkouts side by side, without an edit of a tracked file."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_httpserver import HTTPServer

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.local_port import PORTS, config_file, remember_port, remembered_port
from ops.stacks import find_stack, settings_of
from tests.lab.configuration import keep_apps
from tests.lab.project import Project, copy_project
from tests.support.environment import clean_environment
from tests.support.ports import free_port

LOCAL = """\
config:
  scaleway:apiUrl: http://127.0.0.1:8421
  snu:urlTemplate: http://{host}:8421
  snu:objectStorage: http://127.0.0.1:8422
  snu:number: "8421"
  other:url: http://127.0.0.1:84210
"""
REAL = "config:\n  scaleway:apiUrl: https://api.scaleway.com:8421\n"


@pytest.fixture
def checkouts(tmp_path: Path) -> Iterator[tuple[Project, Project]]:
    """Two checkouts with the same port in their stack files, and one app."""
    pair = copy_project(tmp_path / "first"), copy_project(tmp_path / "second")
    for checkout in pair:
        checkout.change("local", one_app)
        for path in checkout.directory.glob("Pulumi.*local.yaml"):
            text = path.read_text().replace(f":{checkout.port}", f":{pair[0].port}")
            path.write_text(text.replace(f":{checkout.port + 1}", f":{pair[0].port + 1}"))
    yield pair
    for checkout in pair:
        checkout.snu("local", "stop")


def one_app(config: dict[str, Any]) -> None:
    app = config["snu:apps"]["antivirus"]
    keep_apps(config, {"antivirus": app})


def ok(project: Project, *arguments: str, **environment: str) -> str:
    run = project.snu(*arguments, **environment)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def address(project: Project) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", ok(project, "local", "status"))
    assert found
    return found[0]


def come_up(project: Project) -> None:
    ok(project, "local", "start", "--transitions", "0", "--runtime", "off")
    for stack in ("foundation-local", "local"):
        ok(project, "up", stack, "--yes", "--engine", "embedded")


def test_two_checkouts_come_up_side_by_side(checkouts: tuple[Project, Project]) -> None:
    tracked = [path.read_text() for checkout in checkouts for path in sorted(checkout.directory.glob("Pulumi.*.yaml"))]
    with ThreadPoolExecutor() as pool:
        list(pool.map(come_up, checkouts))
    assert len({address(checkout) for checkout in checkouts}) == 2
    for checkout in checkouts:
        ok(checkout, "up", "local", "--yes", "--check-urls", "--expect-no-changes", "--engine", "embedded")
        assert address(checkout).rpartition(":")[2] in ok(checkout, "outputs", "local")
        assert address(checkout) in ok(checkout, "local", "env")
    assert tracked == [
        path.read_text() for checkout in checkouts for path in sorted(checkout.directory.glob("Pulumi.*.yaml"))
    ]


def test_the_port_is_kept(checkouts: tuple[Project, Project]) -> None:
    first, second = checkouts
    ok(first, "local", "start")
    chosen = ok(second, "local", "start")
    assert f"Port {first.port} is in use by another checkout's local Scaleway" in chosen
    port = remembered_port(second.directory)
    assert port
    assert port != first.port
    ok(first, "local", "stop")
    ok(second, "local", "stop")
    assert f"http://127.0.0.1:{port}," in ok(second, "local", "start")
    assert "is already running" in ok(second, "local", "start")


def test_a_remembered_port_that_another_checkout_uses_is_replaced(checkouts: tuple[Project, Project]) -> None:
    first, second = checkouts
    port = free_port()
    ok(first, "local", "start", "--port", str(port))
    remember_port(second.directory, port)
    ok(second, "local", "start")
    assert remembered_port(second.directory) not in (None, port)


def test_a_port_can_be_chosen(project: Project) -> None:
    port, other = free_port(), free_port()
    assert f"http://127.0.0.1:{port}," in ok(project, "local", "start", SNU_LOCAL_PORT=str(port))
    assert address(project) == f"http://127.0.0.1:{port}"
    refused = project.snu("local", "start", "--port", str(other))
    assert refused.returncode == ExitCode.LOCAL_CLOUD
    assert f"scripts/snu local stop && scripts/snu local start --port {other}" in refused.stderr
    assert address(project) == f"http://127.0.0.1:{port}"
    ok(project, "local", "stop")
    ok(project, "local", "start", "--port", str(project.port))
    assert not (project.directory / ".local/Pulumi.local.yaml").exists()


def test_a_port_that_cannot_be_used_is_not_remembered(project: Project) -> None:
    port = free_port()
    with HTTPServer("127.0.0.1", port):
        refused = project.snu("local", "start", "--port", str(port))
    assert refused.returncode == ExitCode.LOCAL_CLOUD
    assert f"Port {port} is in use by a program" in refused.stderr
    assert remembered_port(project.directory) is None
    for value in ("0", "80", "65535", "many"):
        assert project.snu("local", "start", "--port", value).returncode == ExitCode.USAGE


@pytest.mark.parametrize("seconds", [0.6, 1.2])
def test_after_ctrl_c_twice_it_can_be_started_and_stopped(project: Project, seconds: float) -> None:
    port = str(free_port())
    for _ in range(2):
        starting = subprocess.Popen(
            [sys.executable, "-m", "ops", "local", "start", "--port", port, "-C", str(project.directory)],
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            starting.wait(seconds)
        except subprocess.TimeoutExpired:
            starting.send_signal(signal.SIGINT)
            starting.wait(30)
    ok(project, "local", "start", "--port", port)
    assert address(project) == f"http://127.0.0.1:{port}"
    ok(project, "local", "stop")


# --- the copies of the stack files ------------------------------------------------------------------------


def write(folder: Path, stack: str, content: str) -> Path:
    path = folder / f"Pulumi.{stack}.yaml"
    path.write_text(content)
    return path


def test_the_copy_differs_in_the_port_of_urls_only(tmp_path: Path) -> None:
    tracked = write(tmp_path, "local", LOCAL)
    assert config_file(tmp_path, "local") == tracked
    remember_port(tmp_path, 9000)
    copy = config_file(tmp_path, "local")
    assert copy == tmp_path / ".local/Pulumi.local.yaml"
    assert yaml.safe_load(copy.read_text())["config"] == {
        "scaleway:apiUrl": "http://127.0.0.1:9000",
        "snu:urlTemplate": "http://{host}:9000",
        "snu:objectStorage": "http://127.0.0.1:9001",
        "snu:number": "8421",
        "other:url": "http://127.0.0.1:84210",
    }
    assert tracked.read_text() == LOCAL
    assert len(copy.read_text().splitlines()) == len(LOCAL.splitlines()) + 1


def test_the_copy_follows_the_tracked_file(tmp_path: Path) -> None:
    write(tmp_path, "local", LOCAL)
    remember_port(tmp_path, 9000)
    config_file(tmp_path, "local")
    tracked = write(tmp_path, "local", LOCAL + "  snu:zone: a.test\n")
    assert "snu:zone" in config_file(tmp_path, "local").read_text()
    remember_port(tmp_path, 8421)
    assert config_file(tmp_path, "local") == tracked
    assert not (tmp_path / ".local/Pulumi.local.yaml").exists()


@pytest.mark.parametrize("content", [REAL, "config: {}\n", "config:\n  scaleway:apiUrl: http://[::\n", "config: [\n"])
def test_a_stack_that_is_not_local_has_no_copy(tmp_path: Path, content: str) -> None:
    tracked = write(tmp_path, "stage", content)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/Pulumi.stage.yaml").write_text(LOCAL)
    remember_port(tmp_path, 9000)
    assert config_file(tmp_path, "stage") == tracked
    assert not (tmp_path / ".local/Pulumi.stage.yaml").exists()


@pytest.mark.parametrize("content", ["", "many", "80", "-1", "70000", f"{PORTS.stop}", "127.0.0.1:9000"])
def test_a_damaged_port_file_is_ignored(tmp_path: Path, content: str) -> None:
    tracked = write(tmp_path, "local", LOCAL)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/scaleway.port").write_text(content)
    assert config_file(tmp_path, "local") == tracked


def test_a_copy_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "local", LOCAL)
    remember_port(tmp_path, 9000)
    (tmp_path / ".local/Pulumi.local.yaml").mkdir()
    with pytest.raises(OpsError, match=r"the copy of Pulumi\.local\.yaml with port 9000, cannot be updated"):
        config_file(tmp_path, "local")


def test_settings_and_their_problems_are_those_of_the_project(project: Project) -> None:
    remember_port(project.directory, 9000)
    stack = find_stack(project.directory, "local")
    assert stack.api_url == "http://127.0.0.1:9000"
    assert stack.file == project.stack_file("local")
    settings_of(stack)  # raises no error
    project.edit("local", "name: local\n    foundation: foundation-local", "name: local\n    foundation: nowhere")
    with pytest.raises(OpsError, match=r"Pulumi\.local\.yaml"):
        settings_of(find_stack(project.directory, "local"))
