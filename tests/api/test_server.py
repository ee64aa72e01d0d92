"""The server: start, persistence, control API, logs."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.seed import OWNER_SECRET_KEY

NAMESPACES = "/containers/v1/regions/fr-par/namespaces"
SECRET = "a-value-that-must-stay-hidden"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program with arguments with which it cannot start."""
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments], capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_state_survives(tmp_path: Path, by: signal.Signals) -> None:
    with Server(tmp_path / "data") as server:
        api = server.client()
        namespace = api.create(NAMESPACES, name="kept", secret_environment_variables={"A": SECRET})
        removed = api.create(NAMESPACES, name="removed")
        api("DELETE", f"{NAMESPACES}/{removed['id']}")
        before = api("GET", "/_local/resources")
        server.stop(by)
        server.start()
        api = server.client()
        assert api("GET", f"{NAMESPACES}/{namespace['id']}") == namespace
        assert api("GET", "/_local/resources") == before
        kept = api("PATCH", f"{NAMESPACES}/{namespace['id']}", {"secret_environment_variables": {"A": ""}})
        assert kept["secret_environment_variables"] == namespace["secret_environment_variables"]


def test_a_transition_survives_a_restart(tmp_path: Path) -> None:
    with Server(tmp_path / "data", transitions=60) as server:
        namespace = server.client().create(NAMESPACES, name="slow")
        server.stop(signal.SIGKILL)
        server.start()
        assert server.client()("GET", f"{NAMESPACES}/{namespace['id']}")["status"] == "creating"


def test_files_are_private(server: Server) -> None:
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    for path in server.data.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_secrets_stay_in_the_vault(server: Server, api: Client) -> None:
    api.create(NAMESPACES, name="hidden", secret_environment_variables={"A": SECRET})
    api("POST", NAMESPACES, {"name": "-", "secret_environment_variables": {"PORT": SECRET}}, status=400)
    for shown in (server.log, json.dumps(api("GET", "/_local/journal")), json.dumps(api("GET", "/_local/resources"))):
        assert SECRET not in shown
        assert OWNER_SECRET_KEY not in shown
    for path in server.data.glob("state.db*"):
        assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize("file", ["state.db", "vault.db"])
def test_a_damaged_file_is_named_and_kept(tmp_path: Path, file: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / file).write_bytes(b"this is no database" * 100)
    result = run("--data", str(data), "--port", "0")
    assert result.returncode == 1
    assert "damaged" in result.stderr
    assert "delete the folder to start over" in result.stderr
    assert "Traceback" not in result.stderr
    assert (data / file).read_bytes().startswith(b"this is no database")


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run("--data", str(tmp_path / "data"), "--port", str(port))
    assert result.returncode == 1
    assert f"Port {port} is already in use" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.test"])  # noqa: S104 - must be refused
def test_only_loopback_is_served(tmp_path: Path, host: str) -> None:
    result = run("--data", str(tmp_path / "data"), "--port", "0", "--host", host)
    assert result.returncode == 1
    assert "127.0.0.1" in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_directory_serves_one_server(server: Server) -> None:
    result = run("--data", str(server.data), "--port", "0")
    assert result.returncode == 1
    assert f"process {server.pid}" in result.stderr


def test_unknown_routes(server: Server, api: Client) -> None:
    answer = api("POST", "/instance/v1/zones/fr-par-1/servers", {}, status=501)
    assert answer["type"] == "not_implemented"
    assert server.says("does not implement POST /instance/v1/zones/fr-par-1/servers")
    assert api("GET", "/containers/v1/regions/mars/namespaces", status=400)["details"][0]["argument_name"] == "region"


def test_bodies_that_are_not_objects_are_rejected(server: Server) -> None:
    for content in (b"{", b"[]", b'"x"', b"\xff"):
        answer = HTTP.post(server.url + NAMESPACES, content=content, headers={"X-Auth-Token": OWNER_SECRET_KEY})
        assert answer.status_code == 400, content


@pytest.mark.parametrize("value", [1, [], {}, True, "x"])
@pytest.mark.parametrize("field", ["name", "tags", "environment_variables", "project_id", "description"])
def test_wrong_types_are_rejected(api: Client, server: Server, field: str, value: Any) -> None:
    answer = HTTP.post(
        server.url + NAMESPACES, json={"name": "x", field: value}, headers={"X-Auth-Token": OWNER_SECRET_KEY}
    )
    assert answer.status_code in (200, 400, 404), answer.text


def test_lists_are_paged(api: Client) -> None:
    made = [api.create(NAMESPACES, name=f"n{number:02}")["id"] for number in range(7)]

    def ids(query: str) -> list[str]:
        answer = api("GET", f"{NAMESPACES}?{query}")
        assert answer["total_count"] == 7
        return [item["id"] for item in answer["namespaces"]]

    assert ids("page_size=3") == made[:3]
    assert ids("page_size=3&page=3") == made[6:]
    assert ids("page=9") == []
    assert ids("order_by=name_desc&page_size=2") == [made[6], made[5]]
    assert api("GET", f"{NAMESPACES}?name=n03")["total_count"] == 1
    assert api("GET", f"{NAMESPACES}?name=")["total_count"] == 7
    api.refused("GET", f"{NAMESPACES}?page=0", None, "page")
    api.refused("GET", f"{NAMESPACES}?page_size=101", None, "page_size")


def test_reset_and_journal(api: Client) -> None:
    api.create(NAMESPACES, name="one")
    api("GET", NAMESPACES)
    entries = api("GET", "/_local/journal")["entries"]
    assert [(entry["method"], entry["path"], entry["status"]) for entry in entries] == [("POST", NAMESPACES, 200)]
    assert set(api("GET", "/_local/resources?seed=false")) == {"containers.namespace"}
    api("POST", "/_local/reset")
    assert api("GET", "/_local/resources?seed=false") == {}
    assert api("GET", "/_local/journal")["entries"] == []
    assert api("GET", "/_local/health")["resources"]["account.project"] == 1
