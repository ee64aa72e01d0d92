"""Keys, policies and permission sets decide who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.server import HTTP, ORGANIZATION, Client, Server

CONTAINERS = "/containers/v1/regions/fr-par"
SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"


@pytest.fixture
def project(api: Client) -> str:
    return str(api.create("/account/v3/projects", name="snu-ci")["id"])


def deployer(server: Server, api: Client, *rules: dict[str, Any]) -> Client:
    """Requests with the key of an application that has these rules."""
    application = api.create("/iam/v1alpha1/applications", name="deploy")
    api.create("/iam/v1alpha1/policies", name="deploy", application_id=application["id"], rules=list(rules))
    key = api.create("/iam/v1alpha1/api-keys", application_id=application["id"])
    return server.client(key["secret_key"])


def test_a_key_is_needed(server: Server) -> None:
    for token in ("", "10ca1000-0000-4000-8000-00000000dead"):
        answer = HTTP.get(f"{server.url}/account/v3/projects", headers={"X-Auth-Token": token})
        assert answer.status_code == 401
        assert answer.json()["type"] == "denied_authentication"


def test_an_expired_key_is_refused(server: Server, api: Client) -> None:
    application = api.create("/iam/v1alpha1/applications", name="deploy")
    body = {"application_id": application["id"], "expires_at": "2020-01-01T00:00:00Z"}
    key = api("POST", "/iam/v1alpha1/api-keys", body)
    assert server.client(key["secret_key"])("GET", "/account/v3/projects", status=401)["reason"] == "expired"


def test_permission_sets_hold_in_their_projects_only(server: Server, api: Client, project: str) -> None:
    rule = {"permission_set_names": ["ContainersFullAccess"], "project_ids": [project]}
    deploy = deployer(server, api, rule)
    mine = deploy.create(f"{CONTAINERS}/namespaces", name="mine", project_id=project)
    other = api.create(f"{CONTAINERS}/namespaces", name="other", project_id=ORGANIZATION)
    assert [item["id"] for item in deploy("GET", f"{CONTAINERS}/namespaces")["namespaces"]] == [mine["id"]]
    refusal = deploy("GET", f"{CONTAINERS}/namespaces/{other['id']}", status=403)
    assert refusal["details"] == [{"resource": "namespace", "action": "read"}]
    deploy("POST", f"{CONTAINERS}/namespaces", {"name": "x", "project_id": ORGANIZATION}, status=403)
    body = {"namespace_id": other["id"], "name": "x", "image": "x"}
    assert deploy("POST", f"{CONTAINERS}/containers", body, status=403)["details"][0]["action"] == "write"
    assert deploy("GET", SECRETS, status=403)["details"] == [{"resource": "secret", "action": "read"}]


def test_reading_a_secret_and_reading_its_value_are_two_permissions(server: Server, api: Client, project: str) -> None:
    secret = api.create(SECRETS, name="s", project_id=project)
    api.create(f"{SECRETS}/{secret['id']}/versions", data="eA==")
    deploy = deployer(server, api, {"permission_set_names": ["SecretManagerReadOnly"], "project_ids": [project]})
    deploy("GET", f"{SECRETS}/{secret['id']}")
    refusal = deploy("GET", f"{SECRETS}/{secret['id']}/versions/1/access", status=403)
    assert refusal["details"] == [{"resource": "secret_version", "action": "access"}]


def test_organization_sets(server: Server, api: Client, project: str) -> None:
    rule = {"permission_set_names": ["ProjectReadOnly", "IAMReadOnly"], "organization_id": ORGANIZATION}
    deploy = deployer(server, api, rule)
    assert deploy("GET", f"/account/v3/projects/{project}")["name"] == "snu-ci"
    deploy("GET", "/iam/v1alpha1/policies")
    deploy("POST", "/iam/v1alpha1/applications", {"name": "x"}, status=403)
    deploy("DELETE", f"/account/v3/projects/{project}", status=403)
