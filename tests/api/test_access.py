"""Authentication and authorization by keys, policies and permission sets."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.api.permissions import PERMISSION_SETS
from localcloud.api.products import ROUTES
from localcloud.api.routing import Route
from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.seed import ORGANIZATION

CONTAINERS = "/containers/v1/regions/fr-par"
SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"


@pytest.fixture
def project(api: Client) -> str:
    return str(api.create("/account/v3/projects", name="snu-ci")["id"])


def deployer(server: Server, api: Client, *rules: dict[str, Any]) -> Client:
    """A client with the key of an application with these rules."""
    application = api.create("/iam/v1alpha1/applications", name="deploy")
    api.create("/iam/v1alpha1/policies", name="deploy", application_id=application["id"], rules=list(rules))
    key = api.create("/iam/v1alpha1/api-keys", application_id=application["id"])
    return server.client(key["secret_key"])


def test_a_key_is_required(server: Server) -> None:
    for token in ("", "10ca1000-0000-4000-8000-00000000dead"):
        answer = HTTP.get(f"{server.url}/account/v3/projects", headers={"X-Auth-Token": token})
        assert answer.status_code == 401
        assert answer.json()["type"] == "denied_authentication"


def test_an_expired_key_is_rejected(server: Server, api: Client) -> None:
    application = api.create("/iam/v1alpha1/applications", name="deploy")
    body = {"application_id": application["id"], "expires_at": "2020-01-01T00:00:00Z"}
    key = api("POST", "/iam/v1alpha1/api-keys", body)
    assert server.client(key["secret_key"])("GET", "/account/v3/projects", status=401)["reason"] == "expired"


def test_permission_sets_apply_to_their_projects_only(server: Server, api: Client, project: str) -> None:
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


def test_reading_a_secrets_value_needs_its_own_permission(server: Server, api: Client, project: str) -> None:
    secret = api.create(SECRETS, name="s", project_id=project)
    api.create(f"{SECRETS}/{secret['id']}/versions", data="eA==")
    deploy = deployer(server, api, {"permission_set_names": ["SecretManagerReadOnly"], "project_ids": [project]})
    deploy("GET", f"{SECRETS}/{secret['id']}")
    refusal = deploy("GET", f"{SECRETS}/{secret['id']}/versions/1/access", status=403)
    assert refusal["details"] == [{"resource": "secret_version", "action": "access"}]


@pytest.mark.parametrize(
    ("condition", "opened", "lists"),
    [
        ('resource.name == "/mine" || resource.name == "mine"', {"mine"}, False),
        ('resource.name.startsWith("/folder/") || !has(resource.id)', {"nested"}, True),
        ("!has(resource.id)", set(), True),
        ("", {"mine", "other", "nested"}, True),
    ],
)
def test_a_condition_grants_access_to_some_secrets(
    server: Server, api: Client, project: str, condition: str, opened: set[str], lists: bool
) -> None:
    ids = {}
    for name, path in (("mine", "/"), ("other", "/"), ("nested", "/folder/deeper")):
        secret = api("POST", SECRETS, {"name": name, "path": path, "project_id": project})
        api.create(f"{SECRETS}/{secret['id']}/versions", data="eA==")
        ids[name] = secret["id"]
    sets = ["SecretManagerReadOnly", "SecretManagerSecretAccess"]
    rule = {"permission_set_names": sets, "project_ids": [project], "condition": condition}
    client = deployer(server, api, rule)
    for name, id_ in ids.items():
        client("GET", f"{SECRETS}/{id_}/versions/1/access", status=200 if name in opened else 403)
    listed = client("GET", SECRETS)["secrets"]
    assert bool(listed) is lists


def test_an_unsupported_condition_is_rejected(api: Client, project: str) -> None:
    application = api.create("/iam/v1alpha1/applications", name="deploy")
    rule = {"permission_set_names": ["ContainersReadOnly"], "project_ids": [project], "condition": "request.ip == 'x'"}
    body = {"name": "deploy", "application_id": application["id"], "rules": [rule]}
    says = api.refused("POST", "/iam/v1alpha1/policies", body, "rules[0].condition")
    assert "request.ip" in says


def test_organization_sets(server: Server, api: Client, project: str) -> None:
    rule = {"permission_set_names": ["ProjectReadOnly", "IAMReadOnly"], "organization_id": ORGANIZATION}
    deploy = deployer(server, api, rule)
    assert deploy("GET", f"/account/v3/projects/{project}")["name"] == "snu-ci"
    deploy("GET", "/iam/v1alpha1/policies")
    deploy("POST", "/iam/v1alpha1/applications", {"name": "x"}, status=403)
    deploy("DELETE", f"/account/v3/projects/{project}", status=403)


def test_an_unknown_permission_set_is_rejected_with_the_known_ones(api: Client, project: str) -> None:
    application = api.create("/iam/v1alpha1/applications", name="deploy")
    rule = {"permission_set_names": ["ContainersFullAcces"], "project_ids": [project]}
    body = {"name": "deploy", "application_id": application["id"], "rules": [rule]}
    says = api.refused("POST", "/iam/v1alpha1/policies", body, "rules[0].permission_set_names")
    assert says.startswith("ContainersFullAcces is not a permission set")
    assert all(name in says for name in PERMISSION_SETS)
    assert api("GET", "/iam/v1alpha1/policies")["policies"] == []


def concrete(route: Route) -> str:
    """A path of the route with ids that do not exist."""
    path = route.path.replace("{region}", "fr-par").replace("{revision}", "1")
    return path.replace("{id}", "10ca1000-0000-4000-8000-00000000ffff")


def test_every_route_needs_a_key_and_its_permission(server: Server, api: Client, project: str) -> None:
    """403 takes precedence over 404 and 400, which would reveal what exists."""
    nobody = deployer(server, api)
    for route in ROUTES:
        path = concrete(route)
        answer = HTTP.request(route.method, server.url + path)
        assert (answer.status_code, answer.json()["type"]) == (401, "denied_authentication"), f"{route.method} {path}"
        refusal = nobody(route.method, path, status=403)
        assert refusal["type"] == "permissions_denied"
        assert refusal["details"] == [{"resource": route.permission.resource, "action": route.permission.action}]


@pytest.mark.parametrize("product", sorted({route.permission.product for route in ROUTES} - {"account", "iam"}))
def test_a_products_permission_set_grants_nothing_else(server: Server, api: Client, project: str, product: str) -> None:
    names = [
        name
        for name, each in PERMISSION_SETS.items()
        if product in each.grants_on and each.scope_type == "projects" and name.endswith("FullAccess")
    ]
    assert names, f"no permission set opens {product}"
    client = deployer(server, api, {"permission_set_names": names[:1], "project_ids": [project]})
    opened = False
    for route in ROUTES:
        answer = HTTP.request(route.method, f"{server.url}{concrete(route)}", headers=client.headers)
        denied = answer.status_code == 403 and answer.json()["type"] == "permissions_denied"
        if route.permission.product != product:
            assert denied, f"{route.method} {route.path}: {answer.status_code} {answer.text}"
        opened = opened or not denied
    assert opened, f"{names[0]} opens nothing"


def test_the_key_of_a_deleted_application_is_rejected(server: Server, api: Client, project: str) -> None:
    client = deployer(server, api, {"permission_set_names": ["ContainersReadOnly"], "project_ids": [project]})
    client("GET", f"{CONTAINERS}/namespaces")
    (application,) = api("GET", "/iam/v1alpha1/applications")["applications"]
    api("DELETE", f"/iam/v1alpha1/applications/{application['id']}", status=204)
    client("GET", f"{CONTAINERS}/namespaces", status=401)
