"""The other products: lifecycle, references, limits, special cases."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scaleway.account.v3 import AccountV3ProjectAPI
from scaleway.cockpit.v1 import CockpitV1RegionalAPI
from scaleway.domain.v2beta1 import DomainV2Beta1API
from scaleway.iam.v1alpha1 import IamV1Alpha1API, RuleSpecs
from scaleway.jobs.v1alpha2 import JobsV1Alpha2API
from scaleway.rdb.v1 import RdbV1API
from scaleway.registry.v1 import RegistryV1API
from scaleway.secret.v1beta1 import SecretType, SecretV1Beta1API
from scaleway.serverless_sqldb.v1alpha1 import ServerlessSqldbV1Alpha1API

from tests.api.conftest import Sdk
from tests.support.local_scaleway import Client
from tests.support.seed import ORGANIZATION

SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"
SQL = "/serverless-sqldb/v1alpha1/regions/fr-par/databases"
RDB = "/rdb/v1/regions/fr-par/instances"
JOBS = "/serverless-jobs/v1alpha2/regions/fr-par"
RECORDS = "/domain/v2beta1/dns-zones/snu.localhost/records"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_projects(sdk: Sdk, api: Client) -> None:
    projects = AccountV3ProjectAPI(sdk.client)
    project = projects.create_project(name="snu-ci", description="d")
    assert [item.name for item in projects.list_projects_all(order_by="name_asc")] == ["default", "snu-ci"]
    api("POST", "/account/v3/projects", {"name": "snu-ci"}, status=409)
    held = api.create("/registry/v1/regions/fr-par/namespaces", name="snu-ci", project_id=project.id)
    refusal = api("DELETE", f"/account/v3/projects/{project.id}", status=412)
    assert refusal["precondition"] == "resource_still_in_use"
    api("POST", "/_local/transitions", {"seconds": 60})
    assert api("DELETE", f"/registry/v1/regions/fr-par/namespaces/{held['id']}")["status"] == "deleting"
    projects.delete_project(project_id=project.id)
    api("GET", f"/account/v3/projects/{project.id}", status=404)
    api("DELETE", f"/account/v3/projects/{ORGANIZATION}", status=412)


def test_iam(sdk: Sdk, api: Client) -> None:
    iam = IamV1Alpha1API(sdk.client)
    application = iam.create_application(name="snu-deploy", description="d")
    key = iam.create_api_key(description="k", application_id=application.id)
    assert key.secret_key
    assert iam.get_api_key(access_key=key.access_key).secret_key is None
    assert key.default_project_id == ORGANIZATION
    assert iam.get_application(application_id=application.id).nb_api_keys == 1
    rules = [
        RuleSpecs(condition="", permission_set_names=["ContainersFullAccess"], project_ids=[ORGANIZATION]),
        RuleSpecs(condition="", permission_set_names=["IAMReadOnly"], project_ids=None, organization_id=ORGANIZATION),
    ]
    policy = iam.create_policy(name="p", description="", application_id=application.id, rules=rules)
    assert policy.nb_rules == 2
    listed = api("GET", f"/iam/v1alpha1/rules?policy_id={policy.id}")["rules"]
    assert [rule["permission_set_names"] for rule in listed] == [["ContainersFullAccess"], ["IAMReadOnly"]]
    assert "organization_id" not in listed[0]
    names = {item.name for item in iam.list_permission_sets_all()}
    assert {"ContainersFullAccess", "SecretManagerSecretAccess", "ObservabilityReadOnly"} <= names
    iam.delete_application(application_id=application.id)
    api("GET", f"/iam/v1alpha1/api-keys/{key.access_key}", status=404)


def test_an_organization_can_require_expiring_keys(sdk: Sdk, api: Client) -> None:
    iam = IamV1Alpha1API(sdk.client)
    assert iam.get_organization_security_settings().max_api_key_expiration_duration == "0s"
    iam.update_organization_security_settings(max_api_key_expiration_duration="86400s")
    application = iam.create_application(name="snu-deploy", description="d")
    in_time, too_late = (datetime.now(UTC) + timedelta(hours=hours) for hours in (23, 25))
    body = {"application_id": application.id, "description": "k"}
    for refused in (body, {**body, "expires_at": too_late.isoformat()}):
        assert "at most 86400s in the future" in api.refused("POST", "/iam/v1alpha1/api-keys", refused, "expires_at")
    assert iam.create_api_key(description="k", application_id=application.id, expires_at=in_time).expires_at


@pytest.mark.parametrize(
    ("rule", "argument"),
    [
        ({"permission_set_names": ["Nonsense"], "project_ids": [ORGANIZATION]}, "rules[0].permission_set_names"),
        ({"permission_set_names": ["IAMReadOnly"], "project_ids": [ORGANIZATION]}, "rules[0].permission_set_names"),
        ({"permission_set_names": ["ContainersReadOnly"]}, "rules[0].project_ids"),
    ],
)
def test_iam_rules_are_checked(api: Client, rule: Any, argument: str) -> None:
    body = {"name": "p", "no_principal": True, "rules": [rule]}
    api.refused("POST", "/iam/v1alpha1/policies", body, argument)


def test_registry(sdk: Sdk, api: Client) -> None:
    registry = RegistryV1API(sdk.client)
    namespace = registry.create_namespace(name="snu-ci", description="d", is_public=False)
    assert namespace.endpoint.endswith("/snu-ci")
    api("POST", "/registry/v1/regions/fr-par/namespaces", {"name": "snu-ci"}, status=409)
    api("POST", "/registry/v1/regions/nl-ams/namespaces", {"name": "snu-ci"})
    assert registry.list_namespaces_all(name="snu-ci")[0].id == namespace.id
    assert registry.list_images_all(namespace_id=namespace.id) == []
    assert registry.delete_namespace(namespace_id=namespace.id).status == "deleting"
    api("GET", f"/registry/v1/regions/fr-par/namespaces/{namespace.id}", status=404)


def test_secret_versions(sdk: Sdk, api: Client) -> None:
    secrets = SecretV1Beta1API(sdk.client)
    secret = secrets.create_secret(name="s", protected=False, type_=SecretType.OPAQUE)
    for value in ("one", "two"):
        secrets.create_secret_version(secret_id=secret.id, data=b64(value), description="d")
    assert secrets.access_secret_version(secret_id=secret.id, revision="latest_enabled").data == b64("two")
    secrets.disable_secret_version(secret_id=secret.id, revision="2")
    assert secrets.access_secret_version(secret_id=secret.id, revision="latest_enabled").data == b64("one")
    api("GET", f"{SECRETS}/{secret.id}/versions/latest/access", status=412)
    api("DELETE", f"{SECRETS}/{secret.id}/versions/2", status=204)
    assert secrets.create_secret_version(secret_id=secret.id, data=b64("three")).revision == 3
    assert secrets.get_secret(secret_id=secret.id).version_count == 2


def test_secret_limits_and_protection(api: Client) -> None:
    secret = api.create(SECRETS, name="s", protected=True)
    api("POST", SECRETS, {"name": "s"}, status=409)
    api("POST", SECRETS, {"name": "s", "path": "/other"})
    versions = f"{SECRETS}/{secret['id']}/versions"
    api("POST", versions, {"data": b64("x" * 65_536)})
    assert "65536 bytes" in api.refused("POST", versions, {"data": b64("x" * 65_537)}, "data")
    api.refused("POST", versions, {"data": "no base64"}, "data")
    assert api("DELETE", f"{SECRETS}/{secret['id']}", status=412)["precondition"] == "protected_resource"
    api("POST", f"{SECRETS}/{secret['id']}/unprotect", {})
    api("DELETE", f"{SECRETS}/{secret['id']}", status=204)


def test_a_deleted_secret_can_be_recovered_for_a_week_and_keeps_its_name(
    api: Client,
) -> None:
    secret = api.create(SECRETS, name="s")
    path = f"{SECRETS}/{secret['id']}"
    api("POST", f"{path}/versions", {"data": b64("one")})
    for _ in range(2):  # once more does no harm
        api("DELETE", path, status=204)
    assert api("GET", path)["deletion_requested_at"] is not None
    assert api("GET", f"{path}/versions/1")["status"] == "scheduled_for_deletion"
    assert [each["name"] for each in api("GET", f"{SECRETS}?scheduled_for_deletion=true")["secrets"]] == ["s"]
    assert "s" not in [each["name"] for each in api("GET", SECRETS)["secrets"]]
    assert api("GET", "/_local/resources?seed=false") == {}
    assert "same secret name" in api("POST", SECRETS, {"name": "s"}, status=409)["message"]
    for method, what in (("GET", "/versions/1/access"), ("PATCH", ""), ("POST", "/versions"), ("POST", "/protect")):
        api(method, f"{path}{what}", {"data": b64("two")} if method != "GET" else None, status=412)
    api("GET", f"{SECRETS}-by-path/versions/latest/access?secret_name=s", status=404)
    assert api("POST", f"{path}/restore", {})["deletion_requested_at"] is None
    assert api("GET", f"{path}/versions/latest_enabled/access")["data"] == b64("one")


def test_a_deleted_version_can_be_recovered(api: Client) -> None:
    path = f"{SECRETS}/{api.create(SECRETS, name='s')['id']}/versions"
    for text in ("one", "two"):
        api("POST", path, {"data": b64(text)})
    api("DELETE", f"{path}/2", status=204)
    assert api("GET", f"{path}/latest/access")["data"] == b64("one")
    api("POST", f"{path}/2/disable", {}, status=412)
    assert api("POST", f"{path}/2/restore", {})["status"] == "enabled"
    assert api("GET", f"{path}/latest/access")["data"] == b64("two")


def test_ephemeral_secrets_are_deleted_immediately_and_their_versions_expire(api: Client) -> None:
    policy = {"time_to_live": "3600s", "action": "disable"}
    secret = api.create(SECRETS, name="s", ephemeral_policy=policy)
    path = f"{SECRETS}/{secret['id']}"
    properties = api("POST", f"{path}/versions", {"data": b64("one")})["ephemeral_properties"]
    assert properties["action"] == "disable"
    assert api("GET", f"{path}/versions/1/access")["data"] == b64("one")
    api("DELETE", path, status=204)
    api("GET", path, status=404)
    api("POST", SECRETS, {"name": "s"})
    too_long = {"name": "t", "ephemeral_policy": {**policy, "time_to_live": "31536001s"}}
    api.refused("POST", SECRETS, too_long, "ephemeral_policy.time_to_live")


def test_seeded_document(api: Client) -> None:
    found = api("GET", f"{SECRETS}?name=snu-local&order_by=name_asc&type=unknown_type&scheduled_for_deletion=false")
    secret_id = found["secrets"][0]["id"]
    data = api("GET", f"{SECRETS}/{secret_id}/versions/latest_enabled/access")["data"]
    document = json.loads(base64.b64decode(data))
    assert document["MONGO_URL"] == "fake-mongo-url"
    assert {"SENTRY_URL", "USERBACK_ACCESS_TOKEN", "API_ANALYTICS_ENDPOINT"} <= set(document)
    assert all("fake-" in value for value in document.values())


def test_dns(sdk: Sdk, api: Client) -> None:
    dns = DomainV2Beta1API(sdk.client)
    zone = dns.create_dns_zone(domain="snu.localhost", subdomain="ci")
    assert zone.status == "active"
    api("POST", "/domain/v2beta1/dns-zones", {"domain": "snu.localhost", "subdomain": "ci"}, status=409)
    assert [item.subdomain for item in dns.list_dns_zones_all(domain="")] == ["", "ci"]
    api("DELETE", "/domain/v2beta1/dns-zones/snu.localhost", status=403)
    api("DELETE", "/domain/v2beta1/dns-zones/ci.snu.localhost")


def test_dns_records(api: Client) -> None:
    def change(status: int = 200, **change: Any) -> Any:
        return api("PATCH", RECORDS, {"changes": [change]}, status=status)

    added = change(add={"records": [{"name": "mx", "type": "MX", "data": "mx.", "priority": 10, "ttl": 60}]})
    assert added["records"][0]["data"] == "10 mx."
    text = change(add={"records": [{"name": "t", "type": "TXT", "data": "hello"}]})["records"][0]
    assert text["data"] == '"hello"'
    same = change(set={"id": text["id"], "records": [{"name": "t", "type": "TXT", "data": "bye", "ttl": 5}]})
    assert same["records"][0]["id"] == text["id"]
    change(add={"records": [{"name": "t", "type": "CNAME", "data": "x."}]}, status=400)
    change(delete={"id_fields": {"name": "t", "type": "TXT"}})
    assert api("GET", f"{RECORDS}?name=&type=unknown")["total_count"] == 1
    change(delete={"id": text["id"]}, status=404)


def test_a_failed_change_changes_nothing(api: Client) -> None:
    good = {"add": {"records": [{"name": "a", "type": "A", "data": "192.0.2.1"}]}}
    api("PATCH", RECORDS, {"changes": [good, {"delete": {"id": "absent"}}]}, status=404)
    assert api("GET", RECORDS)["total_count"] == 0


def test_rdb(sdk: Sdk, api: Client) -> None:
    rdb = RdbV1API(sdk.client)
    body = {
        "name": "db",
        "engine": "PostgreSQL-16",
        "user_name": "admin",
        "password": "Fake_passw0rd!",
        "node_type": "db-dev-s",
        "encryption": {"enabled": True},
    }
    made = api("POST", RDB, body)
    instance = rdb.get_instance(instance_id=made["id"])
    assert instance.encryption is not None
    assert instance.encryption.enabled
    path = f"{RDB}/{instance.id}"
    api("POST", f"{path}/databases", {"name": "snu"})
    api("POST", f"{path}/databases", {"name": "snu"}, status=409)
    rdb.create_user(instance_id=instance.id, name="app", password="Fake_passw0rd!", is_admin=False)
    assert [user.name for user in rdb.list_users_all(instance_id=instance.id)] == ["admin", "app"]
    privilege = {"database_name": "snu", "user_name": "app", "permission": "readwrite"}
    api("PUT", f"{path}/privileges", privilege)
    assert api("GET", f"{path}/privileges?user_name=app")["privileges"] == [privilege]
    api("PUT", f"{path}/privileges", {**privilege, "permission": "none"})
    assert api("GET", f"{path}/privileges")["total_count"] == 0
    api("PUT", f"{path}/privileges", {**privilege, "user_name": "nobody"}, status=404)
    api("PUT", f"{path}/acls", {"rules": [{"ip": "192.0.2.0/24"}]})
    assert api("GET", f"{path}/acls")["rules"][0]["description"] == "IP allowed"
    api.refused("PUT", f"{path}/acls", {"rules": [{"ip": "nonsense"}]}, "ip")
    api.refused("POST", f"{path}/acls", {"rules": [{"ip": "nonsense"}]}, "ip")
    added = api("POST", f"{path}/acls", {"rules": [{"ip": "198.51.100.7/32"}]})["rules"]
    assert [rule["ip"] for rule in added] == ["192.0.2.0/24", "198.51.100.7/32"]
    api("DELETE", f"{path}/acls", {"acl_rule_ips": ["192.0.2.0/24"]})
    assert [rule["ip"] for rule in api("GET", f"{path}/acls")["rules"]] == ["198.51.100.7/32"]
    settings = api("PUT", f"{path}/settings", {"settings": [{"name": "work_mem", "value": "8"}]})["settings"]
    assert {"name": "work_mem", "value": "8"} in settings
    assert api("POST", f"{path}/upgrade", {"node_type": "db-gp-xs"})["node_type"] == "db-gp-xs"
    api("DELETE", path)
    assert api("GET", "/_local/resources?seed=false") == {}


def test_serverless_sql(sdk: Sdk, api: Client) -> None:
    databases = ServerlessSqldbV1Alpha1API(sdk.client)
    database = databases.create_database(name="state", cpu_min=0, cpu_max=4)
    assert database.endpoint.startswith(f"postgres://{database.id}.")
    assert databases.update_database(database_id=database.id, cpu_max=8).cpu_max == 8
    assert "not exceed cpu_max" in api.refused("PATCH", f"{SQL}/{database.id}", {"cpu_min": 9}, "cpu_min")
    assert databases.delete_database(database_id=database.id).status == "deleting"
    gone = api("GET", f"{SQL}/{database.id}", status=403)
    assert gone["type"] == "permissions_denied"
    api("GET", f"{SQL}/00000000-0000-4000-8000-000000000000", status=404)


def test_cockpit(sdk: Sdk, api: Client) -> None:
    cockpit = CockpitV1RegionalAPI(sdk.client)
    source = cockpit.create_data_source(name="logs", type_="logs", retention_days=30)
    assert cockpit.list_data_sources_all(origin="custom")[0].id == source.id
    token = cockpit.create_token(name="reader", token_scopes=["read_only_logs"])
    assert token.secret_key
    assert cockpit.get_token(token_id=token.id).secret_key is None
    base = "/cockpit/v1/regions/fr-par/alert-manager"
    point = {"project_id": ORGANIZATION, "email": {"to": "a@example.test"}}
    api.refused("POST", f"{base}/contact-points", point, "project_id")
    assert cockpit.enable_alert_manager().alert_manager_url
    api("POST", f"{base}/contact-points", point)
    api("POST", f"{base}/contact-points", point, status=409)
    api("POST", f"{base}/contact-points/delete", point, status=204)
    assert api("POST", f"{base}/disable", {})["alert_manager_url"] is None


def test_jobs(sdk: Sdk, api: Client) -> None:
    jobs = JobsV1Alpha2API(sdk.client)
    body = {"name": "anonymize", "image_uri": "x:1", "cpu_limit": 140, "memory_limit": 256}
    definition = api("POST", f"{JOBS}/job-definitions", {**body, "retry_policy": {"max_retries": 0}})
    assert definition["job_timeout"] == "86400s"
    assert "retry_policy" not in definition
    path = f"{JOBS}/job-definitions/{definition['id']}"
    scheduled = api("PATCH", path, {"cron_schedule": {"schedule": "0 4 * * *", "timezone": "Europe/Paris"}})
    assert scheduled["cron_schedule"]["timezone"] == "Europe/Paris"
    assert api("PATCH", path, {"cron_schedule": {"schedule": None, "timezone": None}})["cron_schedule"] is None
    for schedule, zone, part in (("60 4 * * *", "UTC", "schedule"), ("0 4 * * *", "Europe/Lutetia", "timezone")):
        change = {"cron_schedule": {"schedule": schedule, "timezone": zone}}
        api.refused("PATCH", path, change, f"cron_schedule.{part}")
    run = jobs.start_job_definition(job_definition_id=definition["id"], environment_variables={"A": "1"}).job_runs[0]
    assert jobs.get_job_run(job_run_id=run.id).state == "succeeded"
    api("POST", "/_local/transitions", {"seconds": 60})
    running = jobs.start_job_definition(job_definition_id=definition["id"]).job_runs[0]
    assert running.state == "queued"
    api("DELETE", path, status=403)
    assert api("POST", f"{JOBS}/job-runs/{running.id}/stop", {})["state"] == "interrupted"
    api("DELETE", path, status=204)
    assert api("GET", "/_local/resources?seed=false") == {}
