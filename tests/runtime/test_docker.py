"""Containers on Docker, deployed through the API and reached by their URLs."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.docker import Engine
from tests.support.local_scaleway import HTTP, Server
from tests.support.ports import free_port
from tests.support.site import CockpitLogs, Deployed, Site, eventually

pytestmark = pytest.mark.xdist_group("docker")

QUICK = {"interval": "1s", "timeout": "1s", "failure_threshold": 1}


def test_a_container_is_reached_by_its_url_with_its_variables(site: Site, site_server: Server) -> None:
    container = site.create(
        "whole",
        environment_variables={"PLAIN": "p"},
        secret_environment_variables={"SECRET": "hush-hush"},
        port=3000,
    )
    assert container.show()["status"] == "creating"
    assert container.settled()["status"] == "ready"
    values = {name: container.get(f"/variable?name={name}").text for name in ("PLAIN", "SECRET", "SHARED", "PORT")}
    assert values == {"PLAIN": "p", "SECRET": "hush-hush", "SHARED": "s", "PORT": "3000"}
    assert "hush-hush" not in site_server.log


def test_its_process_has_limits_and_no_capabilities(site: Site) -> None:
    container = site.deploy("limits", memory_limit_bytes=200_000_000)
    (process,) = site.processes(container)
    settings = process.attrs["HostConfig"]
    assert settings["Memory"] == 200_000_000
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges"]
    assert not settings["Privileged"]
    assert settings["LogConfig"]["Config"] == {"max-size": "5m", "max-file": "2"}  # 10 MB of each process
    published = [binding for bindings in process.ports.values() for binding in bindings or ()]
    assert [binding["HostIp"] for binding in published] == ["127.0.0.1"]


def test_requests_are_forwarded_unchanged(site: Site) -> None:
    container = site.deploy("passing")
    answer = container.get("/headers", headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "gopher"})
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    seen = answer.json()
    assert seen["host"] == seen["x-forwarded-host"] == container.host
    assert seen["x-forwarded-for"] == "192.0.2.1, 127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    body = b"x" * 3_000_000
    assert container.get("/echo", "POST", content=body).content == body
    assert container.get("/echo", "POST", content=iter([b"a", b"b"])).content == b"ab"
    assert container.get("/nowhere").status_code == 404
    assert container.get("/", "HEAD").content == b""


def test_responses_are_streamed(site: Site) -> None:
    container = site.deploy("drips")
    headers = {"Host": container.host}
    with HTTP.stream("GET", f"{site.api.url}/drip", headers=headers, timeout=30) as answer:
        parts = answer.iter_text()
        assert next(parts) == "first"
        container.get("/go")
        assert "".join(parts) == "second"


def test_request_bodies_are_streamed(site: Site) -> None:
    container = site.deploy("sips")

    def body() -> Iterator[bytes]:
        yield b"first"
        eventually(lambda: container.get("/received").text == "5", "the first part has arrived")
        yield b"second"

    assert container.get("/sip", "POST", content=body()).text == "11"


def test_a_truncated_response_closes_the_connection(site: Site) -> None:
    container = site.deploy("breaks")
    with pytest.raises(httpx.RemoteProtocolError):
        container.get("/half")


def test_exceeding_the_containers_timeout_is_504(site: Site) -> None:
    container = site.deploy("patience", timeout="10s")
    assert container.get("/never").status_code == 504


def test_requests_are_balanced_over_the_instances(site: Site) -> None:
    container = site.deploy("spread", min_scale=2)
    answers = [container.get().text for _ in range(10)]
    assert sorted(answers.count(name) for name in set(answers)) == [5, 5]


def test_a_crashed_instance_is_restarted(site: Site) -> None:
    container = site.deploy("crashing")
    before = container.get().text
    assert container.get("/crash").status_code == 502
    eventually(lambda: container.get().status_code == 200, "it answers again")
    assert container.get().text != before
    assert container.show()["status"] == "ready"
    assert [line["text"] for line in container.lines() if line["stream"] == "stderr"] == ["it crashes"]


def test_requests_start_after_the_startup_probe_has_succeeded(site: Site) -> None:
    probe = {**QUICK, "failure_threshold": 30, "http": {"path": "/started"}}
    container = site.create("starting", startup_probe=probe, environment_variables={"STARTS_AFTER": "2"})
    answers = []
    while container.show()["status"] == "creating":
        answers.append(container.get("/early"))
    assert container.show()["status"] == "ready"
    assert any(answer.status_code == 503 and "No instance" in answer.text for answer in answers)
    assert container.get("/early").text == "0"


def test_an_unhealthy_instance_gets_no_requests_and_is_not_restarted(site: Site) -> None:
    probe = {**QUICK, "failure_threshold": 2, "http": {"path": "/alive"}}
    container = site.deploy("sick", liveness_probe=probe)
    container.get("/sick")
    eventually(lambda: container.get().status_code == 503, "no requests")
    eventually(lambda: container.show()["status"] == "error", "the container in error")
    assert "its liveness probe failed 2 times in a row" in container.show()["error_message"]
    assert "SIGTERM received" not in container.texts()


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("exits", {"environment_variables": {"FAIL": "no database"}}, "exited with status 5; its last line: no data"),
        ("no-program", {"command": ["/nowhere"]}, "the image cannot be run"),
        (
            "no-start",
            {"startup_probe": {**QUICK, "failure_threshold": 3, "http": {"path": "/nowhere"}}},
            "startup probe failed 3 times in a row: GET /nowhere",
        ),
        ("hides", {"secret_environment_variables": {"FAIL": "hush-hush"}}, "its last line: [secret]"),
    ],
)
def test_a_failed_deployment_says_why_and_changes_nothing(
    site: Site, name: str, change: dict[str, Any], expected: str
) -> None:
    container = site.deploy(name)
    before = container.get().text
    failed = container.change(**change)
    assert failed["status"] == "error"
    assert expected in failed["error_message"]
    assert container.get().text == before
    probe = {**QUICK, "failure_threshold": 60, "http": {"path": "/started"}}
    healthy: dict[str, Any] = {"environment_variables": {}, "secret_environment_variables": {}, "command": []}
    assert container.change(**healthy, startup_probe=probe)["status"] == "ready"
    assert container.get().text != before


def test_the_first_deployment_can_fail(site: Site) -> None:
    container = site.create("never", environment_variables={"FAIL": "no <b>database"})
    assert container.settled()["status"] == "error"
    page = container.get(headers={"Accept": "text/html"})
    assert page.status_code == 503
    assert "no &lt;b&gt;database" in page.text
    assert site.processes(container) == []


def test_an_update_replaces_the_instances_without_a_gap(site: Site) -> None:
    container = site.deploy("updated")
    before = container.get().text
    done, statuses = threading.Event(), []

    def ask() -> None:
        while not done.is_set():
            statuses.append(container.get().status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert container.change(environment_variables={"NEW": "yes"})["status"] == "ready"
    finally:
        done.set()
        asking.join()
    assert set(statuses) == {200}
    assert container.get("/variable?name=NEW").text == "yes"
    assert container.get().text != before
    eventually(lambda: len(site.processes(container)) == 1, "the old instance is gone")
    assert "SIGTERM received" in container.texts()


def test_following_logs_continues_after_a_crash(site: Site) -> None:
    container = site.deploy("followed")
    container.get("/say?text=before")
    eventually(lambda: "before" in container.texts(), "the line is there")
    path = f"{site.api.url}/_local/containers/{container.id}/logs?tail=1&follow=true"
    seen: list[dict[str, str]] = []
    with HTTP.stream("GET", path, timeout=30) as answer:
        lines = (json.loads(line) for line in answer.iter_lines())
        seen.append(next(lines))
        container.get("/crash")
        eventually(lambda: container.get("/say?text=after").status_code == 200, "it answers again")
        while seen[-1]["text"] != "after":
            seen.append(next(lines))
    texts = [line["text"] for line in seen]
    assert texts == ["before", "it crashes", "it listens", "after"]
    assert [line["stream"] for line in seen] == ["stdout", "stderr", "stdout", "stdout"]
    assert len({line["instance"] for line in seen}) == 2
    assert [line["time"] for line in seen] == sorted(line["time"] for line in seen)


def test_logs_of_an_unknown_container_are_not_found(site: Site) -> None:
    site.api("GET", "/_local/containers/nobody/logs", status=404)


def test_cockpit_serves_logs_of_running_and_ended_instances(site: Site) -> None:
    container = site.deploy("queried")
    logs = CockpitLogs.of(site.api)
    started = time.time_ns()
    container.get("/crash")
    eventually(lambda: container.get("/say?text=after").status_code == 200, "it answers again")
    eventually(lambda: "after" in logs.messages(container.id), "the line is there")
    assert logs.messages(container.id, start=started) == ["it crashes", "it listens", "after"]
    assert logs.messages(container.id, start=started, filters='|= "crashes"') == ["it crashes"]
    (crash,) = logs.times(container.id, start=started, filters='|= "crashes"')
    assert logs.messages(container.id, start=crash + 1) == ["it listens", "after"]
    assert "it crashes" not in logs.messages(container.id, end=crash)
    site.api("POST", f"/_local/containers/{container.id}/logs", {"lines": [{"text": "added"}]})
    assert logs.messages(container.id, start=crash) == ["it crashes", "it listens", "after", "added"]


def test_a_deleted_container_leaves_nothing(site: Site) -> None:
    container = site.deploy("deleted")
    site.api("DELETE", container.path)
    eventually(lambda: site.processes(container, stopped=True) == [], "its processes are gone")


def test_a_container_of_the_same_name_can_be_created_immediately(site: Site) -> None:
    site.api("DELETE", site.deploy("twin").path)
    site.deploy("twin")


def test_a_container_without_its_image_shows_the_placeholder_page(site: Site) -> None:
    container = site.deploy("absent", image=site.image[:-64] + "0" * 64)
    page = container.get()
    assert page.status_code == 200
    assert "not in the local registry" in page.text
    assert f"Overview: {site.api.url}/" in page.text
    assert container.change(image=site.image)["status"] == "ready"
    assert "not in the local registry" not in container.get().text


@pytest.fixture(scope="module")
def own_server(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A local Scaleway that tests stop and start on the same port."""
    data = tmp_path_factory.mktemp("own") / "data"
    arguments = ("--runtime", "auto", "--port", str(free_port()))
    with Server(data, *arguments, environ=docker_engine.environ) as server:
        yield server


@pytest.fixture(scope="module")
def own(own_server: Server, docker_engine: Engine, tiny_image: str) -> Site:
    return Site(own_server.client(), docker_engine, tiny_image)


def _of(site: Site, container: Deployed) -> list[Any]:
    return site.processes(container, stopped=True)


def test_a_stop_removes_the_processes_and_a_start_brings_them_back(own: Site, own_server: Server) -> None:
    container = own.deploy("kept", secret_environment_variables={"SECRET": "hush"})
    own_server.stop()
    assert _of(own, container) == []
    own_server.start()
    again = Deployed(own_server.client(), container.path, container.host)
    eventually(lambda: again.get("/variable?name=SECRET").text == "hush", "it runs again")


def test_after_a_kill_the_next_start_leaves_no_orphan(own: Site, own_server: Server) -> None:
    container = own.deploy("orphan")
    (left,) = _of(own, container)
    own_server.stop(signal.SIGKILL)
    assert [process.id for process in _of(own, container)] == [left.id]
    own_server.start()
    again = Deployed(own_server.client(), container.path, container.host)
    eventually(lambda: again.get().status_code == 200 and again.get().text != left.id[:12], "a new one answers")
    assert len(_of(own, container)) == 1


def test_the_previous_revision_serves_after_a_failed_deployment_and_a_restart(own: Site, own_server: Server) -> None:
    container = own.deploy("stubborn", environment_variables={"NAME": "good"})
    assert container.change(environment_variables={"FAIL": "bad"})["status"] == "error"
    own_server.stop()
    own_server.start()
    again = Deployed(own_server.client(), container.path, container.host)
    eventually(lambda: again.get("/variable?name=NAME").text == "good", "the good one runs again")
    assert again.show()["status"] == "error"


def test_a_killed_deployment_is_completed(own: Site, own_server: Server) -> None:
    probe = {**QUICK, "failure_threshold": 1_000, "http": {"path": "/started"}}
    container = own.create("killed", startup_probe=probe, environment_variables={"STARTS_AFTER": "3"})
    eventually(lambda: _of(own, container), "it is being started")
    own_server.stop(signal.SIGKILL)
    own_server.start()
    again = Deployed(own_server.client(), container.path, container.host)
    assert again.show()["status"] == "creating"
    assert again.settled()["status"] == "ready"
    assert len(_of(own, container)) == 1


def test_a_reset_removes_everything(own: Site) -> None:
    container = own.deploy("forgotten")
    own.api("POST", "/_local/reset")
    eventually(lambda: _of(own, container) == [], "its processes are gone")
    own.furnish()
