"""Serverless Containers, with the official SDK and with the provider's requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from scaleway.container.v1 import ContainerV1API

from tests.api.conftest import Sdk
from tests.support.local_scaleway import HTTP, Client, Server

BASE = "/containers/v1/regions/fr-par"


@pytest.fixture
def namespace(api: Client) -> Any:
    return api.create(f"{BASE}/namespaces", name="snu-local")


@pytest.fixture
def container(api: Client, namespace: Any) -> Any:
    return api.create(
        f"{BASE}/containers",
        namespace_id=namespace["id"],
        name="local-api",
        image="registry.invalid/api@sha256:0",
        environment_variables={"APP_NAME": "api"},
        secret_environment_variables={"MONGO_URL": "very-secret", "SECRET": "other"},
    )


def test_lifecycle_through_the_sdk(sdk: Sdk) -> None:
    containers = ContainerV1API(sdk.client)
    namespace = containers.create_namespace(name="snu", environment_variables={"A": "1"}, tags=["t"])
    assert namespace.status == "ready"
    made = containers.create_container(namespace_id=namespace.id, name="api", image="x:1", min_scale=1)
    assert (made.status, made.min_scale, made.max_scale) == ("ready", 1, 5)
    assert containers.get_container(container_id=made.id) == made
    changed = containers.update_container(container_id=made.id, image="x:2")
    assert changed.image == "x:2"
    assert [item.id for item in containers.list_containers_all(namespace_id=namespace.id)] == [made.id]
    assert containers.delete_namespace(namespace_id=namespace.id).status == "deleting"
    assert containers.list_containers_all() == []


def test_defaults_match_the_platform(container: Any) -> None:
    expected = {
        "min_scale": 0,
        "max_scale": 5,
        "memory_limit_bytes": 2_048_000_000,
        "mvcpu_limit": 1_000,
        "timeout": "300s",
        "local_storage_limit_bytes": 1_000_000_000,
        "scaling_option": {"concurrent_requests_threshold": 50},
        "liveness_probe": {"failure_threshold": 30, "interval": "10s", "timeout": "1s", "tcp": {}},
        "startup_probe": None,
        "sandbox": "v2",
        "status": "ready",
        "error_message": "",
    }
    assert {name: container[name] for name in expected} == expected
    assert container["public_endpoint"].startswith("https://snulocal")
    assert container["public_endpoint"].endswith("-local-api.functions.fnc.fr-par.localhost")


def test_secret_variables_are_returned_as_hashes_and_changed_one_by_one(api: Client, container: Any) -> None:
    hashes = container["secret_environment_variables"]
    assert PasswordHasher().verify(hashes["MONGO_URL"], "very-secret")
    api(
        "PATCH", f"{BASE}/containers/{container['id']}", {"secret_environment_variables": {"MONGO_URL": "", "NEW": "v"}}
    )
    after = api("GET", f"{BASE}/containers/{container['id']}")["secret_environment_variables"]
    assert after["MONGO_URL"] == hashes["MONGO_URL"]
    assert PasswordHasher().verify(after["NEW"], "v")
    assert set(after) == {"MONGO_URL", "NEW"}


def test_unknown_enum_values_are_ignored_and_the_singular_field_is_accepted(api: Client, container: Any) -> None:
    body = {
        "privacy": "unknown_privacy",
        "protocol": "unknown_protocol",
        "sandbox": "unknown_sandbox",
        "https_connection_only": True,
    }
    changed = api("PATCH", f"{BASE}/containers/{container['id']}", body)
    assert (changed["privacy"], changed["protocol"], changed["sandbox"]) == ("public", "http1", "v2")
    assert changed["https_connections_only"] is True


@pytest.mark.parametrize(
    ("argument", "change", "expected"),
    [
        ("name", {"name": "-api"}, "must start with a letter"),
        ("min_scale", {"min_scale": 6}, "not exceed max_scale"),
        ("timeout", {"timeout": "1m"}, "must be a duration"),
        ("secret_environment_variables", {"secret_environment_variables": {"A": ""}}, "must not be empty"),
        ("scaling_option", {"scaling_option": {}}, "exactly one threshold"),
        ("image", {"image": ""}, ""),
        ("namespace_id", {"namespace_id": "no"}, "UUID"),
    ],
)
def test_invalid_containers_are_rejected(
    api: Client, namespace: Any, argument: str, change: dict[str, Any], expected: str
) -> None:
    body = {"namespace_id": namespace["id"], "name": "api", "image": "x", **change}
    assert expected in api.refused("POST", f"{BASE}/containers", body, argument)


def test_all_problems_are_reported_together(api: Client, namespace: Any) -> None:
    body = {"namespace_id": namespace["id"], "name": "-", "port": 0}
    answer = api("POST", f"{BASE}/containers", body, status=400)
    assert [detail["argument_name"] for detail in answer["details"]] == ["name", "image", "port"]


def test_names_are_unique(api: Client, namespace: Any, container: Any) -> None:
    api("POST", f"{BASE}/namespaces", {"name": "snu-local"}, status=409)
    body = {"namespace_id": namespace["id"], "name": "local-api", "image": "x"}
    api("POST", f"{BASE}/containers", body, status=409)
    api("DELETE", f"{BASE}/containers/{container['id']}")
    api("POST", f"{BASE}/containers", body)


def test_references_are_checked(api: Client, container: Any) -> None:
    nowhere = "00000000-0000-4000-8000-00000000dead"
    api("POST", f"{BASE}/namespaces", {"name": "x", "project_id": nowhere}, status=404)
    api("POST", f"{BASE}/containers", {"namespace_id": nowhere, "name": "x", "image": "x"}, status=404)
    api("POST", f"{BASE}/domains", {"container_id": nowhere, "hostname": "a.example.test"}, status=404)
    api("GET", f"/containers/v1/regions/nl-ams/containers/{container['id']}", status=404)


def test_transient_statuses(api: Client, until: Callable[[Callable[[], bool]], None]) -> None:
    api("POST", "/_local/transitions", {"seconds": 0.15})
    namespace = api.create(f"{BASE}/namespaces", name="slow")
    assert namespace["status"] == "creating"
    body = {"namespace_id": namespace["id"], "name": "api", "image": "x"}
    early = api("POST", f"{BASE}/containers", body, status=409)
    assert (early["type"], early["current_state"]) == ("transient_state", "creating")
    until(lambda: api("GET", f"{BASE}/namespaces/{namespace['id']}")["status"] == "ready")
    container = api("POST", f"{BASE}/containers", body)
    path = f"{BASE}/containers/{container['id']}"
    assert container["status"] == "creating"
    api("PATCH", path, {"image": "y"}, status=409)
    until(lambda: api("GET", path)["status"] == "ready")
    assert api("PATCH", path, {"image": "y"})["status"] == "updating"
    assert api("DELETE", path)["status"] == "deleting"
    assert api("DELETE", f"{BASE}/namespaces/{namespace['id']}")["status"] == "deleting"
    until(lambda: api("GET", "/_local/resources?seed=false") == {})


def test_domain_waits_for_its_record(api: Client, container: Any) -> None:
    body = {"container_id": container["id"], "hostname": "api.local.snu.localhost", "tags": None}
    refusal = api("POST", f"{BASE}/domains", body, status=400)
    assert refusal["message"].startswith("could not validate domain")
    assert "type" not in refusal
    records = "/domain/v2beta1/dns-zones/snu.localhost/records"
    wrong = {"name": "api.local", "type": "CNAME", "data": "elsewhere.example.test.", "ttl": 60}
    record = api("PATCH", records, {"changes": [{"add": {"records": [wrong]}}]})["records"][0]
    assert "points to" in api("POST", f"{BASE}/domains", body, status=400)["message"]
    right = {**wrong, "data": container["public_endpoint"].removeprefix("https://") + "."}
    api("PATCH", records, {"changes": [{"set": {"id": record["id"], "records": [right]}}]})
    assert api("POST", f"{BASE}/domains", body)["status"] == "ready"
    api("POST", f"{BASE}/domains", body, status=409)


def test_domain_of_an_external_zone_is_accepted(api: Client, container: Any) -> None:
    assert api.create(f"{BASE}/domains", container_id=container["id"], hostname="api.example.test")["tags"] == []


def test_placeholder_pages_describe_the_container(api: Client, server: Server, container: Any) -> None:
    host = container["public_endpoint"].removeprefix("https://")

    def get(host: str, accept: str = "*/*") -> httpx.Response:
        return HTTP.get(server.url, headers={"Host": host, "Accept": accept})

    page = get(host)
    assert page.status_code == 200
    for expected in (container["id"], container["image"], "0 to 5", "APP_NAME", "MONGO_URL", "no process is running"):
        assert expected in page.text
    assert "very-secret" not in page.text
    assert get(f"{host}:8421", "text/html").text.startswith("<!doctype html>")
    unknown = get("nobody.localhost")
    assert unknown.status_code == 404
    assert host in unknown.text
    fault = {"kind": "containers.container", "id": container["id"], "status": "error", "error_message": "it <b> broke"}
    api("POST", "/_local/status", fault)
    broken = get(host, "text/html")
    assert broken.status_code == 503
    assert "it &lt;b&gt; broke" in broken.text
