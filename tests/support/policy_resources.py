"""Resources to hold to the rules, each as good as it can be, and the settings of a stack."""

from __future__ import annotations

from typing import Any

from infra.settings import EnvironmentSettings, FoundationSettings
from policy import rules
from policy.rules import Resource

DIGEST = "sha256:" + "a" * 64
IMAGE = f"rg.fr-par.scw.cloud/snu-test/api@{DIGEST}"

CONTAINER: dict[str, Any] = {
    "name": "test-api",
    "image": IMAGE,
    "cpuLimit": 1000,
    "memoryLimitBytes": 1_024_000_000,
    "minScale": 1,
    "maxScale": 2,
    "timeout": 60,
    "port": 8080,
    "scalingOptions": [{"concurrentRequestsThreshold": 50}],
    "livenessProbe": {"interval": "10s", "timeout": "1s", "failureThreshold": 3, "tcp": True},
    "environmentVariables": {"APP_NAME": "api", "SENTRY_URL": "https://abc@sentry.test/1"},
    "secretEnvironmentVariables": {"SECRET": rules.SECRET},
}
JOB: dict[str, Any] = {
    "name": "anonymize_db",
    "imageUri": IMAGE,
    "cpuLimit": 1000,
    "memoryLimit": 2048,
    "localStorageCapacity": 1000,
    "timeout": "2h0m0s",
    "env": {"APP_NAME": "job"},
}
INSTANCE: dict[str, Any] = {
    "nodeType": "DB-DEV-S",
    "encryptionAtRest": True,
    "volumeSizeInGb": 10,
    "privateNetwork": {"pnId": rules.UNKNOWN},
}
REGISTRY: dict[str, Any] = {"name": "snu-test", "isPublic": False}
ACL: dict[str, Any] = {"aclRules": [{"ip": "192.0.2.0/24"}]}
SERVERLESS: dict[str, Any] = {"name": "snu-state-test", "minCpu": 0, "maxCpu": 2}
TOKEN: dict[str, Any] = {"scopes": {"queryLogs": True, "writeLogs": False, "writeMetrics": False, "writeTraces": False}}
DEPLOY: dict[str, Any] = {
    "name": "snu-deploy-test-policy",
    "rules": [
        {"projectIds": ["p"], "permissionSetNames": ["ContainersFullAccess", "SecretManagerReadOnly"]},
        {"organizationId": "o", "permissionSetNames": ["ProjectReadOnly", "IAMReadOnly"]},
    ],
}

GOOD = {
    rules.CONTAINER: CONTAINER,
    rules.JOB: JOB,
    rules.INSTANCE: INSTANCE,
    rules.REGISTRY: REGISTRY,
    rules.ACL: ACL,
    rules.SERVERLESS: SERVERLESS,
    rules.TOKEN: TOKEN,
    rules.POLICY: DEPLOY,
    rules.LOGS: {"retentionDays": 7},
}


def resource(type_: str, name: str = "thing", /, *, protect: bool = False, **changed: Any) -> Resource:
    """A good one with other inputs."""
    return Resource(f"urn:pulumi:test::snu::{type_}::{name}", type_, GOOD.get(type_, {}) | changed, protect)


def environment(**more: Any) -> EnvironmentSettings:
    base = {"blueprint": "environment", "environment": {"name": "test", "foundation": "foundation-test"}, "images": {}}
    return EnvironmentSettings.model_validate(base | more)


def foundation(**more: Any) -> FoundationSettings:
    base = {
        "scaleway:organizationId": "10ca1000-0000-4000-8000-000000000001",
        "blueprint": "foundation",
        "project": {"name": "test"},
        "environments": {"test": {"database": {"kind": "serverless"}}},
    }
    return FoundationSettings.model_validate(base | more)
