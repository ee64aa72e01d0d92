"""The live stack, as Terraform's configuration has it: the shape and the names of the stack that this project replaces.

Sizes, scaling and hosts are those of 2025, variables those of 2023; images are tags, and everything secret is fake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support.seed import DOCUMENT
from tests.support.terraform import SOURCE

_TO_FRONTS = ("ADMIN", "API", "APP")
_PLAIN_OF_API = ("API_ANALYTICS_ENDPOINT", "BUCKET_NAME", "CELLAR_ENDPOINT", "SENTRY_URL", "SUPPORT_URL")
_SECRET_OF_API = ("MONGO_URL", "SECRET", "SENDINBLUEKEY", "JVA_TOKEN", "PM2_SLACK_URL")
_SECRET_OF_FRONTS = {"DOCKER_ENV_VITE_SENTRY_URL": "SENTRY_URL", "SENTRY_AUTH_TOKEN": "SENTRY_AUTH_TOKEN"}
_READ_SECRETS = ["SecretManagerReadOnly", "SecretManagerSecretAccess"]
_DEPLOY = [
    "ContainersFullAccess",
    "ContainerRegistryFullAccess",
    "DomainsDNSFullAccess",
    *_READ_SECRETS,
    "ObservabilityReadOnly",
    "ServerlessJobsFullAccess",
]


@dataclass(frozen=True)
class App:
    """A container of the live stack."""

    cpu: int
    memory: int
    max_scale: int = 1
    min_scale: int = 0
    concurrency: int = 50
    port: int = 8080
    host: str = ""
    image: str = ""
    sandbox: str | None = "v1"


@dataclass(frozen=True)
class Environment:
    """One environment, with the project that it is in where its state has that too."""

    name: str
    apps: Mapping[str, App]
    project: str = ""
    """Name of the project without ``snu-``; empty where another state has the project."""
    project_id: str = ""
    zone: tuple[str, str] = ("", "")
    """Subdomain and domain, where the records are managed here."""
    jobs: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)


def _apps(domain: str, scale: int, concurrency: int = 50) -> dict[str, App]:
    app = partial(App, min_scale=scale)
    return {
        "api": app(1024, 2048, host=f"api.{domain}", concurrency=concurrency),
        "admin": app(256, 256, host=f"admin.{domain}", sandbox=None),
        "app": app(256, 256, host=f"moncompte.{domain}", sandbox=None),
        "tasks": app(1024, 2048, image="api"),
        "apiv2": app(1024, 2048, host=f"apiv2.{domain}", concurrency=concurrency),
        "tasksv2": app(1024, 2048, image="apiv2"),
    }


PRODUCTION = Environment(
    "production",
    {
        **_apps("snu.gouv.fr", 0, concurrency=25),
        "antivirus": App(1024, 4096, port=8089, host="antivirus.beta-snu.dev", sandbox=None),
    },
    project="production",
    jobs=True,
    flags={"PRODUCTION": "true"},
)
CI = Environment(
    "ci", _apps("ci.beta-snu.dev", 1), project="ci", zone=("ci", "beta-snu.dev"), flags={"STAGING": "true"}
)


def staging(project_id: str) -> Environment:
    """It is in production's project, which production's state has."""
    return Environment("staging", _apps("beta-snu.dev", 1), project_id=project_id, flags={"STAGING": "true"})


def configuration(environment: Environment, provider: Mapping[str, str]) -> dict[str, Any]:
    """Terraform's configuration, in its JSON."""
    project_id = environment.project_id or "${scaleway_account_project.main.id}"
    resources: dict[str, Any] = {
        "scaleway_secret": {"main": {"name": f"snu-{environment.name}", "project_id": project_id}},
        "scaleway_container_namespace": {"main": {"name": f"snu-{environment.name}", "project_id": project_id}},
        "scaleway_container": {name: _container(environment, name) for name in environment.apps},
        "scaleway_container_domain": {
            "main": {
                "for_each": {name: app.host for name, app in environment.apps.items() if app.host},
                "hostname": "${each.value}",
                "container_id": _one_of("container", environment, "id"),
            }
        },
    }
    if environment.project:
        resources |= _project(environment.project)
    if environment.jobs:
        resources["scaleway_job_definition"] = {"anonymize_db": _job(project_id)}
    if all(environment.zone):
        resources |= _zone(environment, project_id)
        resources["scaleway_container_domain"]["main"]["depends_on"] = ["scaleway_domain_record.main"]
    return {
        "terraform": {"required_providers": {"scaleway": {"source": SOURCE}}},
        "provider": {"scaleway": dict(provider)},
        "data": {"scaleway_secret": {"main": {"secret_id": "${scaleway_secret.main.id}"}}},
        "resource": resources,
    }


def _one_of(kind: str, environment: Environment, attribute: str) -> str:
    """The attribute of the app that ``for_each`` is at."""
    each = ", ".join(
        f"{name} = scaleway_{kind}.{name}.{attribute}" for name, app in environment.apps.items() if app.host
    )
    return f"${{{{{each}}}[each.key]}}"


def _project(name: str) -> dict[str, Any]:
    project_id = "${scaleway_account_project.main.id}"
    applications = {"deploy": f"snu-deploy-{name}", "get_secret": f"snu-get-secret-{name}"}
    rules = {
        "deploy": [
            {"project_ids": [project_id], "permission_set_names": _DEPLOY},
            {
                "organization_id": "${scaleway_account_project.main.organization_id}",
                "permission_set_names": ["ProjectReadOnly", "IAMReadOnly"],
            },
        ],
        "get_secret": [{"project_ids": [project_id], "permission_set_names": _READ_SECRETS}],
    }
    return {
        "scaleway_account_project": {"main": {"name": f"snu-{name}"}},
        "scaleway_registry_namespace": {"main": {"name": f"snu-{name}", "project_id": project_id}},
        "scaleway_iam_application": {key: {"name": value} for key, value in applications.items()},
        "scaleway_iam_policy": {
            key: {
                "name": f"{value}-policy",
                "application_id": f"${{scaleway_iam_application.{key}.id}}",
                "rule": rules[key],
            }
            for key, value in applications.items()
        },
    }


def _container(environment: Environment, name: str) -> dict[str, Any]:
    app = environment.apps[name]
    image = app.image or name
    found: dict[str, Any] = {
        "name": f"{environment.name}-{name}",
        "namespace_id": "${scaleway_container_namespace.main.id}",
        "registry_image": f"rg.fr-par.scw.cloud/snu-{environment.project or 'production'}/{image}:4f2a9c1",
        "port": app.port,
        "cpu_limit": app.cpu,
        "memory_limit": app.memory,
        "min_scale": app.min_scale,
        "max_scale": app.max_scale,
        "timeout": 60,
        "privacy": "public",
        "protocol": "http1",
        "http_option": "redirected",
        "scaling_option": [{"concurrent_requests_threshold": app.concurrency}],
        "environment_variables": _variables(environment, image),
        "secret_environment_variables": _secrets(image),
    }
    return found | ({"sandbox": app.sandbox} if app.sandbox else {})


def _variables(environment: Environment, image: str) -> dict[str, str]:
    urls = {name.upper(): f"https://{app.host}" for name, app in environment.apps.items() if app.host}
    match image:
        case "api" | "apiv2":
            fixed = {"APP_NAME": "api", "ADMIN_URL": urls["ADMIN"], "APP_URL": urls["APP"], "FOLDER_API": "api"}
            return fixed | dict(environment.flags) | {key: DOCUMENT[key] for key in _PLAIN_OF_API}
        case "admin" | "app":
            to_each_other = {f"DOCKER_ENV_VITE_{name}_URL": urls[name] for name in _TO_FRONTS}
            return {"APP_NAME": image, **environment.flags, **to_each_other}
    return {}


def _secrets(image: str) -> dict[str, str]:
    match image:
        case "api" | "apiv2":
            return {key: DOCUMENT[key] for key in _SECRET_OF_API}
        case "admin" | "app":
            return {name: DOCUMENT[key] for name, key in _SECRET_OF_FRONTS.items()}
    return {}


def _job(project_id: str) -> dict[str, Any]:
    return {
        "name": "anonymize_db",
        "cpu_limit": 2048,
        "memory_limit": 4096,
        "local_storage_capacity": 1000,
        "image_uri": "rg.fr-par.scw.cloud/snu-production/anonymize-db:4f2a9c1",
        "timeout": "2h",
        "project_id": project_id,
    }


def _zone(environment: Environment, project_id: str) -> dict[str, Any]:
    subdomain, domain = environment.zone
    hosts = {name: app.host for name, app in environment.apps.items() if app.host}
    endpoint = _one_of("container", environment, "public_endpoint")
    return {
        "scaleway_domain_zone": {"main": {"domain": domain, "subdomain": subdomain, "project_id": project_id}},
        "scaleway_domain_record": {
            "main": {
                "for_each": {name: host.removesuffix(f".{subdomain}.{domain}") for name, host in hosts.items()},
                "dns_zone": "${scaleway_domain_zone.main.id}",
                "name": "${each.value}",
                "type": "CNAME",
                "data": f'${{replace({endpoint[2:-1]}, "https://", "")}}.',
                "ttl": 3600,
            }
        },
    }
