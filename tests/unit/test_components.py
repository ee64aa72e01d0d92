"""Each component by itself: its children, their inputs, protection and secrets."""

import json
import re
from collections.abc import Callable
from typing import Any, cast

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.components.alerts import CrashAlerts, CrashAlertsArgs
from infra.components.alerts_access import AlertsAccess, AlertsAccessArgs
from infra.components.backend_bucket import BackendBucket, BackendBucketArgs
from infra.components.backend_database import BackendDatabase, BackendDatabaseArgs
from infra.components.backend_instance import BackendInstance, BackendInstanceArgs
from infra.components.containers import ContainerApp, ContainerAppArgs
from infra.components.iam import (
    DeployAccess,
    DeployAccessArgs,
    FoundationPreviewAccess,
    FoundationPreviewAccessArgs,
    PreviewsAccess,
    PreviewsAccessArgs,
)
from infra.components.jobs import ScheduledJob, ScheduledJobArgs, go_duration
from infra.components.logs_access import LogsAccess, LogsAccessArgs
from infra.components.observability import Observability, ObservabilityArgs
from infra.components.registry import Registry, RegistryArgs
from infra.components.secrets import EnvironmentSecrets, EnvironmentSecretsArgs
from tests.support.mocks import Run, Secret, run

PROTECTED = pulumi.ResourceOptions(protect=True)
Outputs = dict[str, Any]


def build(make: Callable[[], Outputs | None]) -> Run:
    """Runs what makes components; what it returns is exported."""

    def program() -> None:
        for name, value in (make() or {}).items():
            pulumi.export(name, value)

    result = run(program)
    for resource in result.resources:
        is_replaced = resource.name.endswith("-alerts-version")
        inherits = resource.parent in _protected(result) or resource.name in _protected(result)
        assert resource.protect == (inherits and not is_replaced)
    return result


def _protected(result: Run) -> set[str]:
    return {resource.name for resource in result.resources if not resource.custom and resource.protect}


def container_app(variables: Callable[[], Outputs] = dict, **args: Any) -> Run:
    values: dict[str, Any] = {
        "container_name": "ci-api",
        "namespace_id": "id-of-namespace",
        "image": "registry.example.test/snu-ci/api@sha256:0",
        "cpu": 256,
        "memory": 512,
    }

    def make() -> Outputs:
        component = ContainerApp("api", cast(ContainerAppArgs, values | args | {"variables": variables()}), PROTECTED)
        return {"endpoint": component.endpoint, "id": component.container_id}

    return build(make)


def test_registry() -> None:
    def make() -> Outputs:
        return {
            "endpoint": Registry(
                "ci-registry", RegistryArgs(namespace_name="snu-ci", project_id="p"), PROTECTED
            ).endpoint
        }

    result = build(make)
    assert result.named("ci-registry").type == "snu:index:Registry"
    assert result.children("ci-registry") == {"ci-registry-namespace": "scaleway:registry/namespace:Namespace"}
    namespace = result.named("ci-registry-namespace")
    assert namespace.protect
    assert namespace.inputs == {
        "name": "snu-ci",
        "description": "Images of ci-registry",
        "isPublic": False,
        "projectId": "p",
    }
    assert result.outputs == {"endpoint": "registry.example.test/ci-registry-namespace"}


STATE_READER = {
    "ci-state-reader-application": "scaleway:iam/application:Application",
    "ci-state-reader-policy": "scaleway:iam/policy:Policy",
}


def test_serverless_database() -> None:
    def make() -> Outputs:
        args = BackendDatabaseArgs(
            environment="ci",
            database_name="snu-state-ci",
            application_name="snu-state-ci",
            reader_application_name="snu-state-ci-reader",
            project_id="p",
        )
        return {"url": BackendDatabase("ci-state", args, PROTECTED).url}

    result = build(make)
    assert result.named("ci-state").type == "snu:index:BackendDatabase"
    assert result.children("ci-state") == {
        "ci-state-database": "scaleway:databases/serverlessDatabase:ServerlessDatabase",
        "ci-state-application": "scaleway:iam/application:Application",
        "ci-state-policy": "scaleway:iam/policy:Policy",
        **STATE_READER,
    }
    assert result.named("ci-state-database").inputs == {
        "name": "snu-state-ci",
        "minCpu": 0,
        "maxCpu": 1,
        "projectId": "p",
    }
    assert result.named("ci-state-policy").inputs["rules"] == [
        {"projectIds": ["p"], "permissionSetNames": ["ServerlessSQLDatabaseReadWrite"]}
    ]
    assert result.named("ci-state-reader-policy").inputs["rules"] == [
        {"projectIds": ["p"], "permissionSetNames": ["ServerlessSQLDatabaseReadOnly"]}
    ]
    assert result.outputs == {"url": "postgres://ci-state-database.example.test/state?sslmode=require"}


def test_bucket() -> None:
    def make() -> None:
        BackendBucket(
            "ci-state",
            BackendBucketArgs(
                environment="ci", application_name="writer", reader_application_name="reader", project_id="p"
            ),
            PROTECTED,
        )

    result = build(make)
    assert result.named("ci-state").type == "snu:index:BackendBucket"
    assert result.children("ci-state") == {
        "ci-state-application": "scaleway:iam/application:Application",
        "ci-state-policy": "scaleway:iam/policy:Policy",
        **STATE_READER,
    }
    (reading,) = result.named("ci-state-reader-policy").inputs["rules"]
    assert reading["permissionSetNames"] == ["ObjectStorageBucketsRead", "ObjectStorageObjectsRead"]
    (rule,) = result.named("ci-state-policy").inputs["rules"]
    assert rule["projectIds"] == ["p"]
    assert "ObjectStorageFullAccess" not in rule["permissionSetNames"]


def database_instance(**args: Any) -> BackendInstance:
    values: dict[str, Any] = {
        "environment": "ci",
        "instance_name": "snu-state-ci",
        "database_name": "pulumi_state",
        "administrator_name": "snu_admin",
        "administrator_password": "administrat0r",
        "user_name": "pulumi",
        "user_password": "p@ss/word",
        "project_id": "p",
    }
    return BackendInstance("ci-state", cast(BackendInstanceArgs, values | args), PROTECTED)


@pytest.mark.parametrize("reader", [None, "pulumi_reader"])
def test_a_database_instance_has_a_reader_if_one_is_given(reader: str | None) -> None:
    run = build(
        lambda: {
            "reader": database_instance(
                allowed_ranges=["203.0.113.7/32"], reader_name=reader, reader_password="p@ss/w0rd"
            ).reader_url
        }
    )
    if reader is None:
        assert not {"ci-state-reader", "ci-state-reader-privilege"} & run.children("ci-state").keys()
        return
    assert run.named("ci-state-reader").inputs["name"] == "pulumi_reader"
    assert run.named("ci-state-reader").inputs["isAdmin"] is False
    assert run.named("ci-state-reader-privilege").inputs["permission"] == "readonly"
    url = "postgres://pulumi_reader:p%40ss%2Fw0rd@192.0.2.1:5432/pulumi_state?sslmode=verify-full"
    assert run.outputs["reader"] == Secret(url)


def test_database_instance() -> None:
    def make() -> Outputs:
        made = database_instance(allowed_ranges=["203.0.113.7/32", "9.0.0.0/8", "203.0.113.7/32"])
        return {"url": made.url, "connection": made.connection}

    result = build(make)
    assert result.children("ci-state") == {
        "ci-state-instance": "scaleway:databases/instance:Instance",
        "ci-state-acl": "scaleway:databases/acl:Acl",
        "ci-state-database": "scaleway:databases/database:Database",
        "ci-state-user": "scaleway:databases/user:User",
        "ci-state-privilege": "scaleway:databases/privilege:Privilege",
    }
    instance = result.named("ci-state-instance").inputs
    assert instance["encryptionAtRest"] is True
    assert instance["disableBackup"] is False
    assert instance["password"] == Secret("administrat0r")
    user = result.named("ci-state-user")
    assert user.inputs["isAdmin"] is False
    assert user.inputs["password"] == Secret("p@ss/word")
    assert user.inputs["name"] != instance["userName"]
    assert result.named("ci-state-privilege").dependencies == {
        "ci-state-instance",
        "ci-state-database",
        "ci-state-user",
    }
    acl = result.named("ci-state-acl")
    assert acl.inputs["instanceId"] == "id-of-ci-state-instance"
    assert [rule["ip"] for rule in acl.inputs["aclRules"]] == ["9.0.0.0/8", "203.0.113.7/32"]
    assert acl.protect
    assert result.outputs == {
        "url": Secret("postgres://pulumi:p%40ss%2Fword@192.0.2.1:5432/pulumi_state?sslmode=verify-full"),
        "connection": {"certificate": "certificate-of-ci-state-instance"},
    }


def test_an_instance_that_runs_open_for_themselves() -> None:
    def make() -> Outputs:
        return {"connection": database_instance(allowed_ranges=["203.0.113.7/32"], open_for_runs=True).connection}

    assert build(make).outputs["connection"]["openInstance"] == "id-of-ci-state-instance"


def test_an_instance_in_a_private_network() -> None:
    network = "10ca1000-0000-4000-8000-00000000000a"
    result = build(lambda: {"url": database_instance(private_network=network).url})
    assert result.named("ci-state-instance").inputs["privateNetwork"]["pnId"] == network
    assert "ci-state-acl" not in result.children("ci-state")
    assert "@10.0.0.2:5432/" in result.outputs["url"].value


def test_secrets_that_people_fill() -> None:
    def make() -> Outputs:
        args = EnvironmentSecretsArgs(secret_name="snu-ci", project_id="p", protected=True)
        return {"id": EnvironmentSecrets("ci-secrets", args, PROTECTED).secret_id}

    result = build(make)
    assert result.named("ci-secrets").type == "snu:index:EnvironmentSecrets"
    assert result.children("ci-secrets") == {"ci-secrets-secret": "scaleway:secrets/secret:Secret"}
    assert result.named("ci-secrets-secret").inputs["name"] == "snu-ci"
    assert result.named("ci-secrets-secret").inputs["protected"] is True
    assert result.outputs == {"id": "id-of-ci-secrets-secret"}


def test_secrets_that_start_as_a_copy() -> None:
    def make() -> None:
        args = EnvironmentSecretsArgs(
            secret_name="snu-ci", project_id="p", protected=False, initial=pulumi.Output.from_input("text")
        )
        EnvironmentSecrets("ci-secrets", args)

    version = build(make).named("ci-secrets-initial")
    assert version.type == "scaleway:secrets/version:Version"
    assert version.inputs["data"] == Secret("text")
    assert version.ignore_changes == ("data",)
    assert version.dependencies == {"ci-secrets-secret"}


def deploy_access(**args: Any) -> Run:
    def make() -> None:
        values = {
            "environment": "ci",
            "deploy_application": "snu-deploy-ci",
            "preview_application": "snu-preview-ci",
            "reader_application": "snu-get-secret-ci",
            "document_secret": "snu-ci",
            "state_secret": "snu-ci-state",
            "state_reader_secret": "snu-ci-state-reader",
            "project_id": "p",
            "organization_id": "o",
        }
        DeployAccess("ci-deploy", cast(DeployAccessArgs, values | args), PROTECTED)

    return build(make)


def rules_of(run: Run, policy: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = run.named(policy).inputs["rules"]
    return rules


def secrets_in(rule: dict[str, Any]) -> set[str]:
    """The names of the secrets that a rule opens."""
    assert rule["permissionSetNames"] == ["SecretManagerSecretAccess"]
    return set(re.findall(r'resource\.name == "([^"/]+)"', rule["condition"]))


@pytest.mark.parametrize("opens", [True, False])
def test_access_changes_databases_only_where_runs_open_them(opens: bool) -> None:
    run = deploy_access(may_open_databases=opens)
    for policy in ("ci-deploy-policy", "ci-deploy-preview-policy"):
        assert ("RelationalDatabasesFullAccess" in rules_of(run, policy)[0]["permissionSetNames"]) is opens


def test_access_is_minimal_and_has_no_key() -> None:
    run = deploy_access()
    assert run.named("ci-deploy").type == "snu:index:DeployAccess"
    kinds = {"application": "scaleway:iam/application:Application", "policy": "scaleway:iam/policy:Policy"}
    assert run.children("ci-deploy") == {
        f"ci-deploy{purpose}-{kind}": type_ for purpose in ("", "-preview", "-reader") for kind, type_ in kinds.items()
    }
    for purpose, application in (
        ("", "snu-deploy-ci"),
        ("-preview", "snu-preview-ci"),
        ("-reader", "snu-get-secret-ci"),
    ):
        assert run.named(f"ci-deploy{purpose}-application").inputs["name"] == application
        policy = run.named(f"ci-deploy{purpose}-policy").inputs
        assert policy["applicationId"] == f"id-of-ci-deploy{purpose}-application"
    project, secrets, organization = rules_of(run, "ci-deploy-policy")
    assert {each for each in project["permissionSetNames"] if not each.endswith(("ReadOnly", "Read"))} == {
        "ContainersFullAccess",
        "ContainerRegistryFullAccess",
        "DomainsDNSFullAccess",
        "ServerlessJobsFullAccess",
    }
    assert project["projectIds"] == secrets["projectIds"] == ["p"]
    assert secrets_in(secrets) == {"snu-ci", "snu-ci-state", "snu-ci-state-reader"}
    assert organization == {"organizationId": "o", "permissionSetNames": ["ProjectReadOnly", "IAMReadOnly"]}
    project, secrets, organization = rules_of(run, "ci-deploy-preview-policy")
    assert all(each.endswith(("ReadOnly", "Read")) for each in project["permissionSetNames"])
    assert secrets_in(secrets) == {"snu-ci", "snu-ci-state-reader"}
    listed, document = rules_of(run, "ci-deploy-reader-policy")
    assert listed == {"projectIds": ["p"], "permissionSetNames": ["SecretManagerReadOnly"]}
    assert secrets_in(document) == {"snu-ci"}


def test_access_to_other_registries_is_read_only() -> None:
    rules = rules_of(deploy_access(read_registries_of=["q"]), "ci-deploy-policy")
    assert rules[3:] == [{"projectIds": ["q"], "permissionSetNames": ["ContainerRegistryReadOnly"]}]


def test_previews_write_secrets_of_their_own() -> None:
    def make() -> None:
        args = PreviewsAccessArgs(
            project="ci", application_name="snu-deploy-ci-previews", project_id="p", organization_id="o"
        )
        PreviewsAccess("previews", args, PROTECTED)

    run = build(make)
    assert run.named("previews-application").inputs["name"] == "snu-deploy-ci-previews"
    assert "SecretManagerFullAccess" in rules_of(run, "previews-policy")[0]["permissionSetNames"]


def test_the_preview_of_a_foundation_opens_its_state_and_its_environments_states_to_read() -> None:
    def make() -> None:
        args = FoundationPreviewAccessArgs(
            project="x",
            application_name="snu-preview-foundation-x",
            project_id="p",
            organization_id="o",
            state_secret="snu-foundation-x-state",
            state_reader_secrets=["snu-a-state-reader", "snu-b-state-reader"],
        )
        FoundationPreviewAccess("preview", args, PROTECTED)

    project, default, own, environments, _ = rules_of(build(make), "preview-policy")
    assert all(each.endswith("ReadOnly") for each in project["permissionSetNames"] if "ObjectStorage" not in each)
    assert default["projectIds"] == own["projectIds"] == ["o"]
    assert secrets_in(own) == {"snu-foundation-x-state"}
    assert environments["projectIds"] == ["p"]
    assert secrets_in(environments) == {"snu-a-state-reader", "snu-b-state-reader"}


def test_observability() -> None:
    def make() -> Outputs:
        args = ObservabilityArgs(
            logs_name="snu-ci-logs",
            logs_token_name="snu-ci-logs-reader",
            project_id="p",
            log_retention=7,
            alert_emails=["a@example.org"],
        )
        return {"token": Observability("observability", args, PROTECTED).logs_token}

    result = build(make)
    assert result.named("observability").type == "snu:index:Observability"
    assert result.children("observability") == {
        "observability-logs": "scaleway:observability/source:Source",
        "observability-logs-reader": "scaleway:observability/token:Token",
        "observability-alerts": "scaleway:observability/alertManager:AlertManager",
    }
    assert result.named("observability-logs").inputs["retentionDays"] == 7
    scopes = result.named("observability-logs-reader").inputs["scopes"]
    assert [scope for scope, given in scopes.items() if given] == ["queryLogs"]
    assert len(scopes) == 9
    assert result.named("observability-alerts").inputs["contactPoints"] == [{"email": "a@example.org"}]
    assert result.outputs == {"token": Secret("secret-key-of-observability-logs-reader")}


def test_container_app_without_a_host() -> None:
    """It states every default: the provider leaves alone what the program does not mention."""
    probe = {"tcp": True, "interval": "10s", "timeout": "1s", "failureThreshold": 30}
    result = container_app()
    assert result.named("api").type == "snu:index:ContainerApp"
    assert result.children("api") == {"api-container": "scaleway:containers/container:Container"}
    assert result.named("api-container").inputs == {
        "name": "ci-api",
        "namespaceId": "id-of-namespace",
        "image": "registry.example.test/snu-ci/api@sha256:0",
        "cpuLimit": 256,
        "memoryLimitBytes": 512_000_000,
        "minScale": 0,
        "maxScale": 1,
        "scalingOptions": [{"concurrentRequestsThreshold": 50}],
        "timeout": 300,
        "port": 8080,
        "protocol": "http1",
        "privacy": "public",
        "sandbox": "v2",
        "httpsConnectionsOnly": True,
        "environmentVariables": {},
        "livenessProbe": probe,
        "startupProbe": probe,
    }
    assert result.outputs == {
        "endpoint": "https://api-container.functions.example.test",
        "id": "id-of-api-container",
    }


def test_container_app_whose_records_are_managed_elsewhere() -> None:
    result = container_app(host="api.example.org")
    assert result.children("api").keys() == {"api-container", "api-domain"}
    assert result.named("api-domain").inputs == {
        "containerId": "id-of-api-container",
        "hostname": "api.example.org",
    }


def test_container_app_in_a_zone_makes_its_domain_after_the_record() -> None:
    result = container_app(host="api.ci.example.org", zone="ci.example.org", record="api")
    assert result.children("api") == {
        "api-container": "scaleway:containers/container:Container",
        "api-record": "scaleway:domain/record:Record",
        "api-domain": "scaleway:containers/domain:Domain",
    }
    record = result.named("api-record")
    assert record.inputs == {
        "dnsZone": "ci.example.org",
        "name": "api",
        "type": "CNAME",
        "data": "api-container.functions.example.test.",
        "ttl": 3600,
    }
    assert result.named("api-domain").dependencies == {"api-container", "api-record"}
    assert all(resource.protect for resource in result.resources)


def test_container_variables_are_secret_one_by_one() -> None:
    result = container_app(
        lambda: {"PLAIN": "text", "BUCKET": pulumi.Output.secret("s3cret")},
        secret_variables={"TOKEN": "t0ken"},
    )
    inputs = result.named("api-container").inputs
    assert inputs["environmentVariables"] == {"PLAIN": "text", "BUCKET": Secret("s3cret")}
    assert inputs["secretEnvironmentVariables"] == Secret({"TOKEN": "t0ken"})


@pytest.mark.parametrize(
    ("probe", "check"),
    [({"path": "/health"}, {"http": {"path": "/health"}, "tcp": False}), ({}, {"tcp": True})],
)
def test_container_probes(probe: dict[str, Any], check: dict[str, Any]) -> None:
    startup = probe | {"interval": 5, "failure_threshold": 30}
    inputs = container_app(liveness_probe=probe, startup_probe=startup).named("api-container").inputs
    assert inputs["livenessProbe"] == check | {"interval": "10s", "timeout": "1s", "failureThreshold": 3}
    assert inputs["startupProbe"] == check | {"interval": "5s", "timeout": "1s", "failureThreshold": 30}


def test_scheduled_job() -> None:
    def make() -> None:
        args = ScheduledJobArgs(
            job_name="anonymize_db",
            image="i@sha256:0",
            cpu=2048,
            memory=4096,
            timeout=7200,
            command=["node"],
            arguments=["index.js"],
            variables={"A": "1"},
            cron="0 4 * * *",
            timezone="Europe/Paris",
            project_id="p",
        )
        ScheduledJob("anonymize_db", args, PROTECTED)

    result = build(make)
    assert result.named("anonymize_db").type == "snu:index:ScheduledJob"
    assert result.children("anonymize_db") == {"anonymize_db-definition": "scaleway:job/definition:Definition"}
    assert result.named("anonymize_db-definition").inputs == {
        "name": "anonymize_db",
        "imageUri": "i@sha256:0",
        "cpuLimit": 2048,
        "memoryLimit": 4096,
        "localStorageCapacity": 1000,
        "timeout": "2h0m0s",
        "startupCommands": ["node"],
        "args": ["index.js"],
        "env": {"A": "1"},
        "cron": {"schedule": "0 4 * * *", "timezone": "Europe/Paris"},
        "projectId": "p",
    }


@pytest.mark.parametrize(
    ("storage_url", "storage"), [(None, "https://s3.fr-par.scw.cloud"), ("http://127.0.0.1:1", "http://127.0.0.1:1")]
)
def test_alerts_access(storage_url: str | None, storage: str) -> None:
    def make() -> Outputs:
        logs = Observability(
            "observability",
            ObservabilityArgs(logs_name="logs", logs_token_name="reader", project_id="p", log_retention=7),
            PROTECTED,
        )
        args = AlertsAccessArgs(
            environment="staging",
            application_name="snu-alerts-staging",
            secret_name="snu-staging-alerts",
            bucket_name="snu-alerts-production-staging",
            project_id="p",
            logs_url=logs.platform_logs_url,
            logs_token=logs.logs_token,
            logs_region=logs.platform_logs_region,
            logs_retention=logs.platform_logs_retention,
            protected=True,
            storage_url=storage_url,
        )
        made = AlertsAccess("staging-alerts", args, PROTECTED)
        return {"id": made.secret_id, "access": made.access}

    result = build(make)
    assert result.children("staging-alerts") == {
        "staging-alerts-application": "scaleway:iam/application:Application",
        "staging-alerts-policy": "scaleway:iam/policy:Policy",
        "staging-alerts-secret": "scaleway:secrets/secret:Secret",
    }
    (rule,) = result.named("staging-alerts-policy").inputs["rules"]
    assert rule["projectIds"] == ["p"]
    assert not {name for name in rule["permissionSetNames"] if "FullAccess" in name or "Secret" in name}
    holder = result.named("staging-alerts-secret").inputs
    assert (holder["name"], holder["protected"], holder["projectId"]) == ("snu-staging-alerts", True, "p")
    access = result.outputs["access"]
    assert isinstance(access, Secret)
    assert access.value == {
        "apiUrl": "https://api.scaleway.com",
        "region": "fr-par",
        "logsUrl": "https://logs.example.test",
        "logsToken": "secret-key-of-observability-logs-reader",
        "retentionDays": "7",
        "storageUrl": storage,
        "bucket": "snu-alerts-production-staging",
    }
    (asked,) = [arguments for token, arguments in result.calls if token.endswith("getSource")]
    assert asked == {"origin": "scaleway", "type": "logs", "projectId": "p"}


def test_logs_access() -> None:
    def make() -> Outputs:
        args = LogsAccessArgs(
            environment="staging",
            application_name="snu-logs-staging",
            secret_name="snu-staging-logs",
            project_id="p",
            logs_url="https://logs.example.test",
            logs_token="hush-hush",
            protected=True,
        )
        return {"id": LogsAccess("staging-logs", args, PROTECTED).secret_id}

    result = build(make)
    assert result.children("staging-logs") == {
        "staging-logs-application": "scaleway:iam/application:Application",
        "staging-logs-policy": "scaleway:iam/policy:Policy",
        "staging-logs-secret": "scaleway:secrets/secret:Secret",
        "staging-logs-version": "scaleway:secrets/version:Version",
    }
    look_up, secret = result.named("staging-logs-policy").inputs["rules"]
    assert all(name.endswith("ReadOnly") for name in look_up["permissionSetNames"])
    assert secret["permissionSetNames"] == ["SecretManagerSecretAccess"]
    assert 'resource.name == "snu-staging-logs"' in secret["condition"]
    holder = result.named("staging-logs-secret").inputs
    assert (holder["name"], holder["protected"], holder["projectId"]) == ("snu-staging-logs", True, "p")
    data = result.named("staging-logs-version").inputs["data"]
    assert isinstance(data, Secret)
    assert json.loads(data.value) == {"logsUrl": "https://logs.example.test", "logsToken": "hush-hush"}


def test_crash_alerts() -> None:
    def make() -> None:
        args = CrashAlertsArgs(
            job_name="staging-crash-alerts",
            environment="staging",
            project_id="p",
            namespace_id="n",
            image="i@sha256:0",
            document_id="d",
            access_id="a",
            webhook_key="HOOK",
            interval_minutes=10,
        )
        CrashAlerts("crash-alerts", args, PROTECTED)

    result = build(make)
    assert result.children("crash-alerts") == {"crash-alerts-definition": "scaleway:job/definition:Definition"}
    inputs = result.named("crash-alerts-definition").inputs
    assert inputs["cron"] == {"schedule": "*/10 * * * *", "timezone": "UTC"}
    files = {reference["file"]: reference["secretId"] for reference in inputs["secretReferences"]}
    assert files == {inputs["env"]["DOCUMENT_FILE"]: "d", inputs["env"]["ACCESS_FILE"]: "a"}
    assert inputs["env"]["WEBHOOK_KEY"] == "HOOK"
    assert not any(isinstance(value, Secret) for value in inputs["env"].values())


@given(st.integers(min_value=1, max_value=86_400))
def test_a_duration_keeps_its_seconds(seconds: int) -> None:
    parts = re.findall(r"(\d+)([hms])", go_duration(seconds))
    assert sum(int(count) * {"h": 3600, "m": 60, "s": 1}[unit] for count, unit in parts) == seconds
